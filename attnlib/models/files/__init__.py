"""What is published, read: safetensors, configs, tokenizers, and where they are fetched."""
