"""The evidence: who agreed to what and what was deleted, in an append-only, hash-chained log per provider (R179 to R184, product.md 5.2)."""
