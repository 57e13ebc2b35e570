#!/usr/bin/env python3
"""One supervised training step of Hugging Face's Mask2Former in PyTorch, timed like tests/bench/bench_step:
forward, losses with 20 elliptic targets an image, backward, clipping by the global norm, AdamW. Prints TSV rows.

  bench_peer.py MODEL HEIGHT WIDTH BATCH QUERIES POINTS STEPS THREADS [DEVICE]
"""
import resource
import statistics
import sys
import time

import torch
import transformers
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, ResNetConfig, SwinConfig

SWIN = {
    'swin-t': dict(embed_dim=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], window_size=7, drop_path_rate=0.3),
    'swin-s': dict(embed_dim=96, depths=[2, 2, 18, 2], num_heads=[3, 6, 12, 24], window_size=7, drop_path_rate=0.3),
    'swin-l': dict(embed_dim=192, depths=[2, 2, 18, 2], num_heads=[6, 12, 24, 48], window_size=12, drop_path_rate=0.3),
    'swin-demo': dict(embed_dim=24, depths=[1, 1, 2, 1], num_heads=[3, 6, 12, 24], window_size=4, drop_path_rate=0.0),
}
RESNET = {'resnet-50': [3, 4, 6, 3], 'resnet-101': [3, 4, 23, 3]}  # batch normalisation frozen
HEAD = {
    'swin-demo': dict(feature_size=64, mask_feature_size=64, hidden_dim=64, encoder_feedforward_dim=256,
                      encoder_layers=2, decoder_layers=4, num_attention_heads=4, dim_feedforward=256),
}
TARGETS = 20


def targets(generator, height, width):
    y = torch.arange(height).view(1, -1, 1)
    x = torch.arange(width).view(1, 1, -1)
    u = torch.rand(TARGETS, 4, generator=generator)
    cy, cx = (u[:, 0] * height).view(-1, 1, 1), (u[:, 1] * width).view(-1, 1, 1)
    ry, rx = (4 + u[:, 2] ** 2 * height / 4).view(-1, 1, 1), (4 + u[:, 3] ** 2 * width / 4).view(-1, 1, 1)
    masks = (((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1).float()
    return masks, torch.randint(0, 8, (TARGETS,), generator=generator)


def main():
    name, height, width, batch, queries, points, steps, threads = sys.argv[1], *map(int, sys.argv[2:9])
    device = torch.device(sys.argv[9] if len(sys.argv) > 9 else 'cpu')
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    stages = ['stage1', 'stage2', 'stage3', 'stage4']
    backbone = (ResNetConfig(depths=RESNET[name], out_features=stages) if name in RESNET else
                SwinConfig(image_size=height, patch_size=4, out_features=stages, **SWIN[name]))
    config = Mask2FormerConfig(backbone_config=backbone, num_queries=queries, train_num_points=points,
                               id2label={i: str(i) for i in range(8)}, **HEAD.get(name, {}))
    model = Mask2FormerForUniversalSegmentation(config).train().to(device)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05)
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(batch, 3, height, width, generator=generator).to(device)
    masks, labels = zip(*(targets(generator, height, width) for _ in range(batch)))
    masks, labels = [m.to(device) for m in masks], [c.to(device) for c in labels]
    times = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        loss = model(pixel_values=pixels, mask_labels=list(masks), class_labels=list(labels)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.01)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        times.append(1e3 * (time.perf_counter() - start))
    times = sorted(times[1:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if device.type == 'cuda':
        peak = torch.cuda.max_memory_allocated(device) / 2**20
    row = f'{name}\t{height}x{width}\t{batch}\t'
    print(f'# torch {torch.__version__}, transformers {transformers.__version__}, {threads} threads', file=sys.stderr)
    print(f'{row}step\t{statistics.median(times):.1f}\t{times[len(times) * 9 // 10]:.1f}')
    print(f'{row}peak memory MiB\t{peak:.0f}\t')


if __name__ == '__main__':
    main()
