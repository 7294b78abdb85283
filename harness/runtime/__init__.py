"""Layer 3: where trials run — a background event loop in this process, and the processes of engines that need them."""
