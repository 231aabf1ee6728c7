"""The models of bench/images.c and bench/language.c, once for all sides: p gives parameters and data, f the layers."""


def mlp(p, f, batch, which):
    widths = [(16, 32, 32, 1), (784, 128, 10), (784, 1024, 1024, 10)][which]
    h = p.data("x", (batch, widths[0]), 1.0)
    for i, width in enumerate(widths[1:], 1):
        h = f.linear(p, h, f"fc{i}", width)
        if i + 1 < len(widths):
            h = f.relu(h)
    if which == 0:
        return f.mse(h, p.data("target", (batch, 1), 1.0))
    return f.cross_entropy(h, p.indices("target", 10, (batch,)))


def lenet(p, f, batch):
    h = p.data("x", (batch, 1, 28, 28), 1.0)
    h = f.max_pool(f.relu(f.conv(p, h, "conv1", 6, 5, 1, 2, True)))
    h = f.max_pool(f.relu(f.conv(p, h, "conv2", 16, 5, 1, 0, True)))
    h = h.reshape(batch, -1)
    h = f.relu(f.linear(p, h, "fc1", 120))
    h = f.relu(f.linear(p, h, "fc2", 84))
    return f.cross_entropy(f.linear(p, h, "fc3", 10), p.indices("target", 10, (batch,)))


def _block(p, f, x, name, out, stride):
    h = f.relu(f.batch_norm(p, f.conv(p, x, name + ".conv1", out, 3, stride, 1, False), name + ".bn1"))
    h = f.batch_norm(p, f.conv(p, h, name + ".conv2", out, 3, 1, 1, False), name + ".bn2")
    if stride != 1:
        x = f.batch_norm(p, f.conv(p, x, name + ".shortcut", out, 1, stride, 0, False), name + ".bn3")
    return f.relu(h + x)


def resnet18(p, f, batch):
    h = p.data("x", (batch, 3, 32, 32), 1.0)
    h = f.relu(f.batch_norm(p, f.conv(p, h, "conv1", 64, 3, 1, 1, False), "bn1"))
    for i in range(8):
        h = _block(p, f, h, f"block{i}", 64 << i // 2, 2 if i > 0 and i % 2 == 0 else 1)
    h = h.mean((2, 3))
    return f.cross_entropy(f.linear(p, h, "fc1", 10), p.indices("target", 10, (batch,)))


def gpt(p, f, layers, width, batch, time):
    vocabulary, heads = 50257 if width == 768 else 65, width // 64
    tokens, targets = p.indices("tokens", vocabulary, (batch, time)), p.indices("targets", vocabulary, (batch * time,))
    wte, wpe = p("wte", (vocabulary, width), 0.035), p("wpe", (time, width), 0.035)
    x = f.embedding(tokens, wte) + wpe
    for i in range(layers):
        h = f.linear(p, f.layer_norm(p, x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn", 3 * width)
        q, k, v = f.three(h.reshape(batch, time, 3, heads, 64))
        x = x + f.linear(p, f.attention(q, k, v).reshape(batch, time, width), f"h.{i}.attn.c_proj", width)
        h = f.gelu(f.linear(p, f.layer_norm(p, x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc", 4 * width))
        x = x + f.linear(p, h, f"h.{i}.mlp.c_proj", width)
    x = f.layer_norm(p, x, "ln_f").reshape(batch * time, width)
    return f.cross_entropy(x @ wte.T, targets)


def lstm(p, f, batch, time, width):
    vocabulary, scale = 96, width**-0.5
    tokens, targets = p.indices("tokens", vocabulary, (time, batch)), p.indices("targets", vocabulary, (time * batch,))
    x = f.embedding(tokens, p("embedding", (vocabulary, width), 1.0))
    weights = [p("lstm.weight_ih", (4 * width, width), scale), p("lstm.weight_hh", (4 * width, width), scale),
               p("lstm.bias_ih", (4 * width,), scale), p("lstm.bias_hh", (4 * width,), scale)]
    h = f.lstm(x, weights).reshape(time * batch, width)
    return f.cross_entropy(f.linear(p, h, "head", vocabulary), targets)


# name: model, its sizes, and (optimizer, its settings)
KINDS = {
    "mlp-32x16-32-32-1": (mlp, (32, 0), ("sgd", {})),
    "mlp-64x784-128-10": (mlp, (64, 1), ("sgd", {})),
    "mlp-256x784-1024-1024-10": (mlp, (256, 2), ("sgd", {})),
    "lenet5-64": (lenet, (64,), ("sgd", {"momentum": 0.9})),
    "resnet18-32": (resnet18, (32,), ("sgd", {"momentum": 0.9, "weight_decay": 5e-4})),
    "lstm-32x32x256": (lstm, (32, 32, 256), ("adamw", {})),
    "gpt-6x384-8x128": (gpt, (6, 384, 8, 128), ("adamw", {})),
    "gpt2-124M-4x64": (gpt, (12, 768, 4, 64), ("adamw", {})),
}
SGD_LR, ADAMW_LR = 0.01, 3e-4
