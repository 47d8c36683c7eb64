"""How many tokens' logits are in memory at a time, at the head of a model."""

TILE = (4096, 32768)  # tokens × vocabulary of one tile of TRL 1.16's fused head
FEWEST = 512  # tokens, below which a product waits for the head's weights (H200: 206 operations a byte)
FEWEST_ON_CPU = 64  # which computes less for each byte, and holds five copies of a tile


def tokens_at_once(tokens: int, vocabulary: int, kind: str = "cuda") -> int:
    """Tokens whose whole logits are computed together, of `tokens` trained ones, where the gradient is
    computed with them. Their logits are about as many as TRL's tile has.
    """
    rows, columns = TILE
    fewest = FEWEST if kind == "cuda" else FEWEST_ON_CPU
    alike = min(tokens, rows) * columns // vocabulary
    return max(1, min(tokens, rows, max(fewest, alike // 64 * 64)))
