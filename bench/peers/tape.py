"""A tape of scalars: see bench/tape.c."""
from sides import Work, family

INPUTS, SWEEPS = 1000, 100


@family("tape", "torch", "jax")
def tape(side, mode):
    if side.kind == "torch":
        if side.tuned:
            return None  # nothing to tune, and it is slow
        import torch

        x = (torch.arange(INPUTS, dtype=torch.float64) * 0.001 + 0.5).requires_grad_()

        def function():
            xs = x.unbind()
            y = torch.tensor(0.1, dtype=torch.float64)
            for _ in range(SWEEPS):
                for xi in xs:
                    y = 0.5 * y + torch.sin(xi * y) + xi / (1 + y * y)
            return y

        def gradient():
            y = function()
            return y, torch.autograd.grad(y, x)[0]

        y, dx = gradient()
        results = [y.item(), dx.norm().item()]
        if mode == "gradient":
            return Work(gradient, results=results)

        def forward():
            with torch.no_grad():
                return function()

        return Work(forward, results=results)
    jax, jnp = side.jax, side.jax.numpy
    x = jnp.arange(INPUTS, dtype=jnp.float64) * 0.001 + 0.5

    def function(x):
        def step(y, xi):
            return 0.5 * y + jnp.sin(xi * y) + xi / (1 + y * y), None

        def sweep(y, _):
            return jax.lax.scan(step, y, x)[0], None

        return jax.lax.scan(sweep, jnp.float64(0.1), None, length=SWEEPS)[0]

    y, dx = jax.jit(jax.value_and_grad(function))(x)
    results = [float(y), float(jnp.linalg.norm(dx))]
    return Work(side.call(jax.value_and_grad(function) if mode == "gradient" else function, x), results=results)
