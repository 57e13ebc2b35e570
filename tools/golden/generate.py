#!/usr/bin/env python3
"""Writes tests/golden/<case>.json: what Hugging Face's Mask2Former computes, in double, for the cases of cases.py.

    pip install -r requirements.txt
    python3 generate.py ../../tests/golden [case ...]          # all cases by default
    python3 generate.py --search 20 DIR case                   # prints the margins of 20 seeds, writes nothing

Weights, images, targets and points come from the program's counter streams, so the files hold digests of outputs only.
Differences between Hugging Face and the original that are undone here: GroupNorm has 32 groups, ours `groups`; mask
points are drawn by torch.rand, here by the program's streams. Drop path is 0. Order of predictions in the files:
decoder order.
"""
import argparse
import json
import os

import numpy as np
import torch
import transformers
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, ResNetConfig, SwinConfig
from transformers.models.mask2former import modeling_mask2former as hf

import names
import streams
import values
from cases import CASES
from pycocotools import mask as mask_utils

LR, BACKBONE_FACTOR, WEIGHT_DECAY, CLIP = 1e-3, 0.1, 0.05, 0.01
PREDICTIONS = 16  # UDA_PREDICTIONS
GRID_SAMPLE = torch.nn.functional.grid_sample
MAX_POOL = torch.nn.functional.max_pool2d


def backbone(c):
    C, stages = c['embed_dim'], ['stage1', 'stage2', 'stage3', 'stage4']
    if c.get('resnet'):
        return ResNetConfig(num_channels=3, embedding_size=C // 4, hidden_sizes=[C, 2 * C, 4 * C, 8 * C],
                            depths=c['depths'], layer_type='bottleneck', hidden_act='relu',
                            downsample_in_first_stage=False, downsample_in_bottleneck=False, out_features=stages)
    return SwinConfig(image_size=224, patch_size=4, num_channels=3, embed_dim=C, depths=c['depths'],
                      num_heads=c['heads'], window_size=c['window'], drop_path_rate=0.0, layer_norm_eps=1e-5,
                      out_features=stages)


def build(c):
    config = Mask2FormerConfig(backbone_config=backbone(c), num_labels=c['classes'], num_queries=c['queries'],
                               feature_size=c['hidden'], mask_feature_size=c['mask_dim'], hidden_dim=c['hidden'],
                               encoder_feedforward_dim=c['encoder_ffn'], encoder_layers=c['encoder_layers'],
                               decoder_layers=c['decoder_layers'] + 1, dim_feedforward=c['decoder_ffn'],
                               num_attention_heads=c['heads_n'], train_num_points=c['points'], dropout=0.0,
                               output_auxiliary_logits=True)
    model = Mask2FormerForUniversalSegmentation(config)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, torch.nn.GroupNorm) and child.num_groups != c['groups']:
                setattr(parent, name, torch.nn.GroupNorm(c['groups'], child.num_channels))
    assert model.criterion.matcher.cost_class == 2.0 and model.criterion.empty_weight[-1] == np.float32(0.1)
    model = model.double().train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval().requires_grad_(False)
    return model


class Oracle:
    """The model with the program's values and draws."""

    def __init__(self, c):
        self.c, self.seed = c, c['seed']
        self.margin = {'mask': np.inf, 'topk': np.inf, 'kink': np.inf}
        self.watch()
        self.model = build(c)
        self.registry = names.registry(c)
        self.parameters = dict(self.model.named_parameters())
        self.parameters.update((n, b) for n, b in self.model.named_buffers() if '.running_' in n)
        self.fill()
        self.step, self.prediction, self.image = 0, 0, 0
        self.matched = {}
        self.patch()

    def pieces(self, index):
        """Hugging Face tensors of a parameter with their row ranges."""
        name, shape, kind, hf_names = self.registry[index]
        rows = shape[0] // len(hf_names)
        for i, h in enumerate(hf_names):
            yield self.parameters[h], slice(i * rows, (i + 1) * rows)

    def fill(self):
        used = 0
        with torch.no_grad():
            for i, (name, shape, kind, _) in enumerate(self.registry):
                x = values.parameter(i, shape, kind, self.seed)
                for p, rows in self.pieces(i):
                    assert tuple(p.shape) == tuple(x[rows].shape), name
                    p.copy_(torch.from_numpy(x[rows].astype(np.float64)))
                    used += p.numel()
        # Swin's own last norm is there in Hugging Face's backbone, unused
        spare = sum(p.numel() for n, p in self.parameters.items() if '.swin.layernorm.' in n)
        assert used + spare == sum(p.numel() for p in self.parameters.values()), 'a parameter was not set'

    def gather(self, index, what):
        return np.concatenate([what(p).detach().numpy() for p, _ in self.pieces(index)], 0)

    def watch(self):
        """Distances to the kinks of the gradient: zeros of ReLU inputs, cell borders of the deformable attention."""
        def keep(distance):
            self.margin['kink'] = min(self.margin['kink'], float(distance))

        def relu(x, *args, **kw):
            d = x.detach()
            keep(d.abs().min() / d.pow(2).mean().sqrt())
            return torch.relu(x)

        def sampling(value, grid, **kw):
            if grid.requires_grad:
                size = torch.tensor([value.shape[-1], value.shape[-2]], dtype=grid.dtype)
                u = (grid.detach() + 1) * size / 2 - 0.5
                inside = ((u > -1.001) & (u < size + 0.001)).all(-1)
                keep((u - u.round()).abs()[inside].min())
            return GRID_SAMPLE(value, grid, **kw)

        def max_pool(x, *args, **kw):
            # the largest of a window against the next one, where it is no zero of the ReLU before
            d = torch.nn.functional.pad(x.detach(), (1, 1, 1, 1), value=-1.0)
            w = torch.nn.functional.unfold(d.flatten(0, 1)[:, None], 3, stride=2).sort(1, descending=True)[0]
            keep(((w[:, 0] - w[:, 1]) / x.detach().pow(2).mean().sqrt())[w[:, 0] > 0].min())
            return MAX_POOL(x, *args, **kw)

        torch.nn.functional.max_pool2d = max_pool
        torch.nn.functional.relu = relu
        torch.nn.functional.grid_sample = sampling

    # ---- draws ----

    def order(self, call):
        """The criterion visits the final prediction first, then the others."""
        last = self.c['decoder_layers']
        return last if call == 0 else call - 1

    def rand(self, *size, **_):
        c, P = self.c, self.c['points']
        important = int(0.75 * P)
        candidates, free = int(P * 3.0), P - important
        sample = lambda n: n * PREDICTIONS + self.prediction
        if size == (1, P, 2):
            u = streams.uniforms(2 * P, self.seed, streams.PURPOSE_MATCH, 0, self.step, sample(self.image))
            self.image += 1
            return torch.from_numpy(u.astype(np.float64)).view(1, P, 2)
        rows, blocks = [], ((candidates + free) * 2 + 3) // 4
        for n, (_, target) in enumerate(self.matched[self.prediction]):
            for t in target.tolist():
                u = streams.uniforms(2 * (candidates + free), self.seed, streams.PURPOSE_LOSS, 0, self.step, sample(n),
                                     first_block=t * blocks)
                part = u[:2 * candidates] if size[1] == candidates else u[2 * candidates:]
                rows.append(part.astype(np.float64).reshape(-1, 2))
        assert size == (len(rows), rows[0].shape[0], 2)
        return torch.from_numpy(np.stack(rows))

    def patch(self):
        criterion, matcher = self.model.criterion, self.model.criterion.matcher
        match, mask_loss = matcher.forward, criterion.loss_masks
        predictor = self.model.model.transformer_module.decoder.mask_predictor
        predict, sample = predictor.forward, criterion.sample_points_using_uncertainty
        torch_rand = torch.rand
        self.call = 0

        def matching(*args, **kw):
            self.prediction, self.image = self.order(self.call), 0
            self.call += 1
            torch.rand = self.rand
            try:
                indices = match(*args, **kw)
            finally:
                torch.rand = torch_rand
            self.matched[self.prediction] = indices
            return indices

        def losses(*args, **kw):
            torch.rand = self.rand
            try:
                return mask_loss(*args, **kw)
            finally:
                torch.rand = torch_rand

        def sampling(logits, *args):
            state = self.image
            points = self.rand(logits.shape[0], int(self.c['points'] * 3.0), 2)
            x = hf.sample_point(logits, points, align_corners=False)[:, 0].abs().sort(1)[0]
            k = int(0.75 * self.c['points'])
            gap = (x[:, k] - x[:, k - 1]) / x.pow(2).mean(1).sqrt()
            self.margin['topk'] = min(self.margin['topk'], float(gap.min()))
            self.image = state
            return sample(logits, *args)

        def predicting(outputs, pixels, attention_mask_target_size=None):
            masks, attention = predict(outputs, pixels, attention_mask_target_size)
            x = torch.nn.functional.interpolate(masks, size=attention_mask_target_size, mode='bilinear')
            self.pending = float(x.detach().abs().min() / x.detach().pow(2).mean().sqrt())
            self.margin['mask'] = min(self.margin['mask'], self.pending)
            return masks, attention

        matcher.forward, criterion.loss_masks = matching, losses
        criterion.sample_points_using_uncertainty, predictor.forward = sampling, predicting

    # ---- passes ----

    def run(self, step):
        """One forward pass with losses; returns the output and [(ce, mask, dice)] in decoder order."""
        c = self.c
        self.step, self.call, self.matched = step, 0, {}
        images, masks, classes = [], [], []
        for n, count in enumerate(c['targets']):
            x = values.image(n, c['height'], c['width'], self.seed).astype(np.float64)
            images.append(torch.from_numpy(x).permute(2, 0, 1))
            cls, mask = values.targets(n, count, c['height'], c['width'], c['classes'], self.seed)
            classes.append(torch.tensor(cls, dtype=torch.int64))
            masks.append(torch.from_numpy(mask.astype(np.float64)))
        losses = {}
        criterion_forward = self.model.criterion.forward

        def remember(*args, **kw):
            result = criterion_forward(*args, **kw)
            # Hugging Face weighs the values in place afterwards
            losses.update({k: v.detach().clone() for k, v in result.items()})
            return dict(result)
        self.model.criterion.forward = remember
        try:
            out = self.model(pixel_values=torch.stack(images), mask_labels=masks, class_labels=classes,
                             output_hidden_states=True)
        finally:
            self.model.criterion.forward = criterion_forward
        last = c['decoder_layers']
        table = []
        for p in range(last + 1):
            suffix = '' if p == last else f'_{p}'
            table.append([float(losses[k + suffix]) for k in ('loss_cross_entropy', 'loss_mask', 'loss_dice')])
        return out, table


def optimizer(oracle):
    groups = []
    for i, (name, shape, kind, _) in enumerate(oracle.registry):
        if kind in names.FROZEN:
            continue
        decay = 0.0 if kind in ('gamma', 'beta', 'embedding', 'table') else WEIGHT_DECAY
        lr = LR * (BACKBONE_FACTOR if name.startswith('backbone.') else 1.0)
        groups.append(dict(params=[p for p, _ in oracle.pieces(i)], lr=lr, weight_decay=decay))
    return torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.999), eps=1e-8)


def tokens(x):
    """NCHW to our order."""
    return x.detach().permute(0, 2, 3, 1).numpy()


def postprocess(c, logits, masks):
    """The original's instance inference for image 0 (Hugging Face's own differs): [[query, class, score, RLE]]."""
    post, K = c['post'], c['classes']
    resize = lambda x, size: torch.nn.functional.interpolate(x, size=size, mode='bilinear', align_corners=False)
    x = resize(masks[:1].detach(), (c['height'], c['width']))[:, :, :post['image'][0], :post['image'][1]]
    x = resize(x, tuple(post['size']))[0]
    scores, order = logits[0].detach().softmax(-1)[:, :K].flatten().sort(descending=True, stable=True)
    out = []
    for score, i in zip(scores[:post['top']].tolist(), order[:post['top']].tolist()):
        mask = x[i // K] > 0
        confidence = float((x[i // K].sigmoid() * mask).sum() / (mask.sum() + 1e-6))
        rle = mask_utils.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))['counts'].decode()
        out.append([i // K, i % K, float(f'{score * confidence:.10g}'), rle])
    return out


def case(c):
    oracle = Oracle(c)
    count = max(4 << 20, c['height'] * c['width'] * 64)
    signs = streams.words(count, c['seed'], streams.PURPOSE_TEST, 0, values.SIGNS, 0)
    wide = lambda x: values.digest(x, 16, 32, signs)
    short = lambda x: values.digest(x, 10, 8, signs)
    out, table = oracle.run(0)
    maps = {}
    for i, x in enumerate(out.encoder_hidden_states):
        maps[f'stage{i}'] = wide(tokens(x))
    for i, x in enumerate(out.pixel_decoder_hidden_states):
        maps[f'multi_scale{i}'] = wide(tokens(x))
    maps['mask_features'] = wide(tokens(out.pixel_decoder_last_hidden_state))
    predictions = [(a['class_queries_logits'], a['masks_queries_logits']) for a in out.auxiliary_logits]
    predictions.append((out.class_queries_logits, out.masks_queries_logits))
    assert len(predictions) == c['decoder_layers'] + 1
    for p, (logits, masks) in enumerate(predictions):
        maps[f'logits{p}'] = wide(logits.detach().numpy())
        maps[f'masks{p}'] = wide(masks.detach().numpy())
    oracle.model.zero_grad()
    out.loss.backward()
    grads = [[] if kind in names.FROZEN else short(oracle.gather(i, lambda p: p.grad))
             for i, (_, _, kind, _) in enumerate(oracle.registry)]
    matched = [[[q.tolist(), t.tolist()] for q, t in oracle.matched[p]] for p in range(len(predictions))]
    number = lambda v: float(f'{v:.12g}')
    result = dict(made_with=dict(torch=torch.__version__, transformers=transformers.__version__),
                  config={k: v for k, v in c.items()},
                  losses=[[number(v) for v in row] for row in table], total=number(float(out.loss.detach())),
                  matched=matched, maps=maps, parameters=[r[0] for r in oracle.registry], gradients=grads)
    if 'post' in c:
        result['instances'] = postprocess(c, *predictions[-1])
    if c['steps'] > 0:
        opt, totals, norms = optimizer(oracle), [], []
        for step in range(c['steps']):
            out, _ = oracle.run(step)
            oracle.model.zero_grad()
            out.loss.backward()
            norms.append(number(float(torch.nn.utils.clip_grad_norm_(oracle.model.parameters(), CLIP))))
            opt.step()
            totals.append(number(float(out.loss.detach())))
        result['optimiser'] = dict(lr=LR, backbone_factor=BACKBONE_FACTOR, weight_decay=WEIGHT_DECAY, clip=CLIP,
                                   totals=totals, norms=norms,
                                   values=[short(oracle.gather(i, lambda p: p)) for i in range(len(oracle.registry))])
    result['margins'] = {k: float(f'{v:.3g}') for k, v in oracle.margin.items()}
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--search', type=int, default=0)
    parser.add_argument('out')
    parser.add_argument('case', nargs='*')
    a = parser.parse_args()
    torch.manual_seed(0)
    for name in a.case or CASES:
        if a.search:
            for seed in range(1, a.search + 1):
                r = case(dict(CASES[name], seed=seed))
                print(name, seed, r['margins'], r['total'], flush=True)
            continue
        r = case(CASES[name])
        path = os.path.join(a.out, name + '.json')
        with open(path, 'w') as f:
            rows = [f'{json.dumps(k)}: {json.dumps(v, separators=(",", ":"))}' for k, v in r.items()]
            f.write('{\n' + ',\n'.join(rows) + '\n}\n')
        print(path, os.path.getsize(path), 'bytes; margins', r['margins'], 'loss', r['total'], flush=True)


if __name__ == '__main__':
    main()
