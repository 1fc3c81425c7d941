"""The executor for a Slurm cluster: job arrays over chunks of work items. See docs/how-to/slurm.md."""
