"""PyTorch, Triton and cuBLAS on workloads like those of the pack, where they are installed."""
from limits import cublas_matmul, row, torch_matmul, torch_seconds

MATMULS = [(1, 3072, 2048), (16, 2048, 2048), (128, 102400, 2048), (4096, 4096, 4096)]


def torch_latent_decode(heads, batch, context):
    """GB/s of the cache that PyTorch's attention reads in a decode step of latent attention (576 wide, 512 of it values)."""
    import torch
    q = torch.randn(batch, heads, 1, 576, device="cuda", dtype=torch.bfloat16)
    cache = torch.randn(batch, 1, context, 576, device="cuda", dtype=torch.bfloat16)

    def work():
        scores = torch.matmul(q.squeeze(2), cache.squeeze(1).transpose(1, 2)) * 0.1147
        return torch.matmul(torch.softmax(scores.float(), -1).bfloat16(), cache.squeeze(1)[..., :512])

    return batch * context * 576 * 2 / torch_seconds(work) / 1e9


def torch_prefill(heads, tokens):
    """TFLOP/s of causal attention, 192 wide for scores and 128 for values, by scaled_dot_product_attention."""
    import torch
    import torch.nn.functional as functional
    q, k = (torch.randn(1, heads, tokens, 192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    v = torch.randn(1, heads, tokens, 128, device="cuda", dtype=torch.bfloat16)
    seconds = torch_seconds(lambda: functional.scaled_dot_product_attention(q, k, v, is_causal=True))
    return heads * tokens * tokens * (192 + 128) / seconds / 1e12  # half of the square, 2 a multiply-add


def torch_experts(tokens, depth, columns, experts=64):
    """TFLOP/s of one matmul an expert with equally many rows each."""
    import torch
    a = torch.randn(experts, tokens * 6 // experts, depth, device="cuda", dtype=torch.bfloat16)
    b = torch.randn(experts, depth, columns, device="cuda", dtype=torch.bfloat16)
    return 2 * tokens * 6 * depth * columns / torch_seconds(lambda: torch.bmm(a, b)) / 1e12


def triton_matmul(size):
    """TFLOP/s of a plain Triton matmul with 128 x 128 x 64 tiles."""
    import torch
    import triton
    import triton.language as tl

    @triton.jit
    def kernel(a, b, c, n, k, BLOCK: tl.constexpr, DEPTH: tl.constexpr):
        rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
        depth = tl.arange(0, DEPTH)
        total = tl.zeros((BLOCK, BLOCK), dtype=tl.float32)
        for at in range(0, k, DEPTH):
            left = tl.load(a + rows[:, None] * k + at + depth[None, :])
            right = tl.load(b + columns[None, :] * k + at + depth[:, None])
            total = tl.dot(left, right, total)
        tl.store(c + rows[:, None] * n + columns[None, :], total.to(tl.bfloat16))

    a, b, c = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(3))
    grid = (size // 128, size // 128)
    work = lambda: kernel[grid](a, b, c, size, size, BLOCK=128, DEPTH=64, num_warps=8, num_stages=3)
    return 2 * size**3 / torch_seconds(work) / 1e12


def rate(rows, columns, depth, seconds):
    return None if seconds is None else 2 * rows * columns * depth / seconds / 1e12


def measure(device):
    out = []
    for rows, columns, depth in MATMULS:
        shape = f"{rows} x {columns} x {depth}"
        out.append(row(f"cuBLAS matmul {shape}", "TFLOP/s",
                       lambda: rate(rows, columns, depth, cublas_matmul(device, rows, columns, depth))))
        out.append(row(f"PyTorch matmul {shape}", "TFLOP/s",
                       lambda: rate(rows, columns, depth, torch_matmul(rows, columns, depth))))
    out.append(row("Triton matmul 4096^3", "TFLOP/s", lambda: triton_matmul(4096)))
    for heads in (16, 128):
        out.append(row(f"PyTorch latent decode, {heads} heads, 128 x 4096", "GB/s",
                       lambda: torch_latent_decode(heads, 128, 4096)))
        out.append(row(f"PyTorch causal prefill, {heads} heads, 8192", "TFLOP/s", lambda: torch_prefill(heads, 8192)))
    out.append(row("PyTorch experts (bmm), 8192 tokens, 2048 to 2816", "TFLOP/s", lambda: torch_experts(8192, 2048, 2816)))
    return out
