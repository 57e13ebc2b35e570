#!/usr/bin/env python3
"""Steps of Hugging Face's Mask2Former in PyTorch, timed like tests/bench/bench_step and bench_adapt. Prints TSV rows.

  bench_peer.py MODEL HEIGHT WIDTH BATCH QUERIES POINTS STEPS THREADS [DEVICE [PRECISION [MODE [COMPILE]]]]

PRECISION fp32 | bf16 (autocast; parameters stay fp32). MODE: train, forward, losses with 20 elliptic targets an image,
backward, clipping by the global norm, AdamW; adapt, the teacher becomes the average and predicts BATCH images, of each
the best 20 instances are made masks, the student goes forward and backward through two batches, and is updated; both as
train,adapt. COMPILE eager | compile: backbone, pixel decoder and mask decoder by torch.compile; the matching and the
losses wait for the host and stay eager. Inputs are on the device before. Exit code 77: no such device, or torch.compile
is not usable here.
"""
import contextlib
import copy
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


def build(name, height, queries, points, device):
    stages = ['stage1', 'stage2', 'stage3', 'stage4']
    backbone = (ResNetConfig(depths=RESNET[name], out_features=stages) if name in RESNET else
                SwinConfig(image_size=height, patch_size=4, out_features=stages, **SWIN[name]))
    config = Mask2FormerConfig(backbone_config=backbone, num_queries=queries, train_num_points=points,
                               id2label={i: str(i) for i in range(8)}, **HEAD.get(name, {}))
    model = Mask2FormerForUniversalSegmentation(config).train().to(device)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval().requires_grad_(False)
    return model


class Bench:
    def __init__(self, model, draw, device, precision, compiled):
        self.model, self.draw, self.device, self.compiled = model, draw, device, compiled
        self.half = precision == 'bf16'
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05,
                                           fused=device.type == 'cuda' or None)
        self.batches = [draw()]
        self.teacher = None
        self.faster(model)

    def faster(self, model):
        if self.compiled:
            level = model.model.pixel_level_module
            for module in (level.encoder, level.decoder, model.model.transformer_module):
                module.compile(dynamic=False)

    def cast(self):
        return torch.autocast(self.device.type, torch.bfloat16) if self.half else contextlib.nullcontext()

    def now(self):
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)
        return 1e3 * time.perf_counter()

    def learn(self):
        for pixels, masks, labels in self.batches:
            with self.cast():
                loss = self.model(pixel_values=pixels, mask_labels=masks, class_labels=labels).loss
            (loss / len(self.batches)).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 0.01)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def prepare_adapt(self):
        self.batches.append(self.draw())
        self.teacher = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.average = list(self.teacher.parameters()), list(self.model.parameters())
        self.faster(self.teacher)

    @torch.no_grad()
    def ask(self):
        torch._foreach_lerp_(*self.average, 0.001)
        pixels = self.batches[0][0]
        with self.cast():
            out = self.teacher(pixel_values=pixels)
        found = []
        for logits, masks in zip(out.class_queries_logits.float(), out.masks_queries_logits.float()):
            scores = logits.softmax(-1)[:, :-1]
            best, index = scores.flatten().topk(min(TARGETS, scores.numel()))
            masks = masks[index // scores.shape[1]][None]
            masks = torch.nn.functional.interpolate(masks, pixels.shape[-2:], mode='bilinear')[0]
            inside = masks > 0
            sure = (masks.sigmoid() * inside).sum((1, 2)) / (inside.sum((1, 2)) + 1e-6)
            found.append((inside, index % scores.shape[1], best * sure))
        return found

    def train_step(self):
        first = self.now()
        self.learn()
        return dict(step=self.now() - first)

    def adapt_step(self):
        first = self.now()
        self.ask()
        asked = self.now()
        self.learn()
        last = self.now()
        return {'average and teacher': asked - first, 'student step': last - asked, 'adapt step': last - first}

    def first_step(self, step):
        """The one that compiles; False where that cannot be done."""
        try:
            step()
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            if not self.compiled:
                raise
            print(f'torch.compile is not usable here: {type(error).__name__}: {str(error).strip()[:300]!r}',
                  file=sys.stderr)
            return False
        graphs = torch._dynamo.utils.counters['stats']['unique_graphs']
        if self.compiled and graphs == 0:
            print('torch.compile is not usable here: it has compiled nothing', file=sys.stderr)
        return not self.compiled or graphs > 0

    def run(self, mode, steps, row):
        """Prints the rows; the first step, and on a GPU two more, warm up. False: see first_step."""
        cuda = self.device.type == 'cuda'
        if mode == 'adapt':
            self.prepare_adapt()
        if cuda:
            torch.cuda.empty_cache()
        step = self.adapt_step if mode == 'adapt' else self.train_step
        if not self.first_step(step):
            return False
        for _ in range(2 if cuda else 0):
            step()
        if cuda:  # compiling takes memory that steps do not
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        times = [step() for _ in range(steps)]
        if self.compiled:
            counters = torch._dynamo.utils.counters
            print(f"# peer, {mode}: {counters['stats']['unique_graphs']} graphs compiled, "
                  f"{sum(counters['graph_break'].values())} breaks between them", file=sys.stderr)
        for part in times[0]:
            part_times = sorted(t[part] for t in times)
            print(f'{row}{part}\t{statistics.median(part_times):.1f}\t{part_times[steps * 9 // 10]:.1f}')
        if cuda:
            allocated = torch.cuda.max_memory_allocated(self.device) / 2**20
            reserved = torch.cuda.max_memory_reserved(self.device) / 2**20
            print(f'{row}device memory MiB\t{allocated:.0f}\t{reserved:.0f}')
        print(f'{row}peak memory MiB\t{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}\t', flush=True)
        return True


def main():
    arguments = dict(enumerate(sys.argv[9:13]))
    name, height, width, batch, queries, points, steps, threads = sys.argv[1], *map(int, sys.argv[2:9])
    device, precision = torch.device(arguments.get(0, 'cpu')), arguments.get(1, 'fp32')
    modes, how = arguments.get(2, 'train').split(','), arguments.get(3, 'eager')
    if precision not in ('fp32', 'bf16') or how not in ('eager', 'compile') or not {*modes} <= {'train', 'adapt'}:
        sys.exit(__doc__)
    if device.type == 'cuda' and not torch.cuda.is_available():
        print('torch sees no CUDA device', file=sys.stderr)
        sys.exit(77)
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = build(name, height, queries, points, device)
    generator = torch.Generator().manual_seed(1)

    def draw():
        pixels = torch.randn(batch, 3, height, width, generator=generator).to(device)
        masks, labels = zip(*(targets(generator, height, width) for _ in range(batch)))
        return pixels, [m.to(device) for m in masks], [c.to(device) for c in labels]

    bench = Bench(model, draw, device, precision, how == 'compile')
    card = f', {torch.cuda.get_device_name(device)}' if device.type == 'cuda' else ''
    print(f'# peer: torch {torch.__version__}, transformers {transformers.__version__}, {threads} threads{card}',
          file=sys.stderr)
    for mode in modes:
        if not bench.run(mode, steps, f'{name}\t{height}x{width}\t{batch}\t'):
            sys.exit(77)


if __name__ == '__main__':
    main()
