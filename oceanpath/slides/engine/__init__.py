"""From the patches of a slide to its features: who reads, who computes, and what happens when memory is short."""
