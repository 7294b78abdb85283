"""A real model on this machine: a GGUF file, served by llama.cpp in a child process."""
