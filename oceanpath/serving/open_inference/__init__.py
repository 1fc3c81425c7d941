"""The Open Inference Protocol (KServe v2) over HTTP, with its extension of binary tensors.

    GET  /v2, /v2/health/live, /v2/health/ready, /v2/models/NAME, /v2/models/NAME/ready
    POST /v2/models/NAME/infer      also /v2/models/NAME/versions/VERSION/infer

Inputs: features [N, D] or [1, N, D], FP16 (binary only), FP32 or FP64, and, for models that need them, coords [N, 2].
Outputs: probabilities, values or embedding [1, K], and attention [1, N]. Parameters of a request: slide_id, encoder.
"""
