"""The chained evidence: entries, their Merkle tree, its signed head, and the export that proves itself offline."""
