"""MobileNetV2's features at 48 pixels in PyTorch, as fast as it gets: what others compare with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, repetitions and first stride, from table 2 of *MobileNetV2: Inverted
Residuals and Linear Bottlenecks*."""


def convolution(
    inputs: int, outputs: int, size: int = 1, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    """Return a convolution whose bias has batch normalisation folded into it, as in ONNX."""
    return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, groups=groups)


class Block(nn.Module):
    """An inverted residual block."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        expand = [convolution(inputs, wide), nn.ReLU6(inplace=True)] if expansion > 1 else []
        self.layers = nn.Sequential(
            *expand,
            convolution(wide, wide, 3, stride, groups=wide),
            nn.ReLU6(inplace=True),
            convolution(wide, outputs),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, images: Any) -> Any:
        return images + self.layers(images) if self.residual else self.layers(images)


class Network(nn.Module):
    """From uint8 (n, 48, 48) to float32 (n, 5120), on images that are turned by 180 degrees."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [convolution(3, 32, 3, 2), nn.ReLU6(inplace=True)]
        inputs = 32
        for expansion, outputs, repetitions, first_stride in BLOCKS:
            for stride in (first_stride, *[1] * (repetitions - 1)):
                layers.append(Block(inputs, outputs, expansion, stride))
                inputs = outputs
        self.layers = nn.Sequential(*layers, convolution(inputs, 1280), nn.ReLU6(inplace=True))

    def forward(self, pixels: Any) -> Any:
        images = pixels.to(self.layers[0].weight.dtype).div(127.5).sub(1)
        images = images.unsqueeze(1).expand(-1, 3, -1, -1)
        images = images.contiguous(memory_format=torch.channels_last)
        return self.layers(images).permute(0, 2, 3, 1).flatten(1).float()


def folded_convolutions(model: Path) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return each convolution's weights and bias, with the scale and shift after it folded in."""
    graph = onnx.load(model).graph
    constants = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
    folded: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
    made_by: dict[str, int] = {}
    for node in graph.node:
        source, *others = node.input
        if node.op_type == "Conv":
            weights, *bias = (constants[name] for name in others)
            made_by[node.output[0]] = len(folded)
            folded.append((weights, bias[0] if bias else np.zeros(len(weights), np.float32)))
        elif node.op_type in ("Mul", "Add") and source in made_by and others[0] in constants:
            at = made_by[node.output[0]] = made_by[source]
            (weights, bias), constant = folded[at], constants[others[0]].reshape(-1)
            if node.op_type == "Mul":
                folded[at] = (weights * constant[:, None, None, None], bias * constant)
            else:
                folded[at] = (weights, bias + constant)
    return folded


def network(model: Path, precision: str, device: str) -> Network:
    """Return the network with an exported model's weights, and set PyTorch to the precision.

    Keras pads a convolution of stride 2 after the image, PyTorch on both sides. With images and
    kernels turned by 180 degrees both compute the same, which spares PyTorch a step for padding.
    """
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    made = Network().eval().requires_grad_(False)
    convolutions = [layer for layer in made.modules() if isinstance(layer, nn.Conv2d)]
    folded = folded_convolutions(model)
    if [tuple(layer.weight.shape) for layer in convolutions] != [w.shape for w, _ in folded]:
        raise ValueError(f"{model} is not MobileNetV2 up to its last activation")
    for layer, (weights, bias) in zip(convolutions, folded, strict=True):
        layer.weight.copy_(torch.tensor(weights[:, :, ::-1, ::-1].copy()))
        layer.bias.copy_(torch.tensor(bias))
    if precision == "fp16":
        made = made.half()
    return made.to(device).to(memory_format=torch.channels_last)


def features(made: Network, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Compute features in the order of the exported model's."""
    turned = torch.from_numpy(faces[:, ::-1, ::-1].copy()).to(made.layers[0].weight.device)
    with torch.inference_mode():
        grid = made(turned).cpu().numpy().reshape(len(faces), 2, 2, -1)
    return grid[:, ::-1, ::-1].reshape(len(faces), -1)


def resident_call(made: Network, faces: NDArray[np.uint8], how: str) -> Callable[[], object]:
    """Return a call that runs the network on the device's own memory and waits for it.

    `how` is "eager", "CUDA graph", or a mode of `torch.compile`.
    """
    pixels = torch.from_numpy(faces).cuda()
    run = batch_call(made, pixels, how)

    def call() -> None:
        with torch.inference_mode():
            run(pixels)
        torch.cuda.synchronize()

    return call


def compiled(made: Network, mode: str) -> Any:
    """Return the network compiled, with a mode of `torch.compile`."""
    # A second batch size would otherwise be compiled for any batch size.
    torch.compiler.reset()
    return torch.compile(made, dynamic=False, mode=mode)


def batch_call(made: Any, like: Any, how: str) -> Callable[[Any], Any]:
    """Return what computes a batch of the device's memory, of the shape of `like`.

    `how` is "eager" for a network as it is, compiled or not, or "CUDA graph".
    """
    if how != "CUDA graph":
        return made
    pixels = torch.empty_like(like)
    graph, out = captured(made, pixels)

    def run(batch: Any) -> Any:
        pixels.copy_(batch)
        graph.replay()
        return out

    return run


def captured(made: Network, pixels: Any) -> tuple[Any, Any]:
    """Record the network's kernels on `pixels`, and return the recording and its output."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.inference_mode():
        with torch.cuda.stream(stream):
            for _ in range(3):
                made(pixels)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = made(pixels)
    return graph, out


def kernel_times(call: Callable[[], object]) -> list[tuple[str, float, float]]:
    """Return name, number and milliseconds of all kernels of a call, whoever starts them.

    The longest come first. Those of ONNX Runtime are seen as well as PyTorch's own.
    """
    for _ in range(3):
        call()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(2):
            call()
    spent = [
        (event.key, event.count / 2, event.self_device_time_total / 2000)
        for event in profile.key_averages()
        if event.self_device_time_total
    ]
    return sorted(spent, key=lambda kernel: -kernel[2])


def whole_call(made: Any, faces: NDArray[np.uint8], batch: int, how: str) -> Callable[[], object]:
    """Return a call from faces to features in ordinary host memory, as the product computes.

    Two streams let one batch be copied while another is computed. As in the product, their
    page-locked buffers are used again by each call, and the features go to a new array each time.
    What differs is to PyTorch's advantage: cuDNN may try every algorithm for a convolution, and
    half precision holds for all of the network, its first block too.
    """
    like = torch.empty((batch, 48, 48), dtype=torch.uint8, device="cuda")
    sides = [
        (
            torch.cuda.Stream(),
            torch.empty((batch, 48, 48), dtype=torch.uint8, pin_memory=True),
            torch.empty((batch, 5120), pin_memory=True),
            batch_call(made, like, how),
        )
        for _ in range(2)
    ]

    def call() -> NDArray[np.float32]:
        out = np.empty((len(faces), 5120), np.float32)
        waiting: deque[tuple[Any, Any, slice]] = deque()

        def take() -> None:
            stream, features, rows = waiting.popleft()
            stream.synchronize()
            out[rows] = features[: len(out[rows])].numpy()

        with torch.inference_mode():
            for at, start in enumerate(range(0, len(faces), batch)):
                if len(waiting) == len(sides):
                    take()
                stream, pixels, features, run = sides[at % len(sides)]
                rows = slice(start, start + batch)
                # A last batch is filled up by older faces, as in the product.
                pixels.numpy()[: len(faces[rows])] = faces[rows]
                with torch.cuda.stream(stream):
                    features.copy_(run(pixels.to("cuda", non_blocking=True)), non_blocking=True)
                waiting.append((stream, features, rows))
            while waiting:
                take()
        return out

    return call
