#!/usr/bin/env python3
"""Reads a label set and its exports with other people's programs, and compares their figures with the program's own.

    pip install numpy h5py pillow pycocotools cityscapesscripts
    tools/compare_exports.py build/src/uda4inst LABELS.h5 --gt SCENES            # Cityscapes truth: SCENES/gtFine
    tools/compare_exports.py build/src/uda4inst LABELS.h5 --instances FILE.json  # COCO truth

LABELS.h5 is any label set: of a label or fuse stage, or what `predict` wrote. Always compared: every mask as h5py and
pycocotools read it with the COCO export, instance id images, and AP of the set against its own COCO export as truth.
With --gt: AP by cityscapesScripts on the Cityscapes export; with --instances: AP by pycocotools on the results export.
Prints each figure twice; the exit status is the verdict: no two figures differ by more than 1e-9.
"""
import argparse
import contextlib
import glob
import io
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
from PIL import Image
from pycocotools import mask as mask_tools
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

TOLERANCE = 1e-9
STATS = ['AP', 'AP50', 'AP75', 'APs', 'APm', 'APl']


class Comparison:
    def __init__(self):
        self.bad = 0

    def figure(self, what, ours, theirs):
        """NaN, None and COCO's -1 stand for: nothing to measure."""
        ours, theirs = [np.nan if x is None or x == -1 else float(x) for x in (ours, theirs)]
        same = (np.isnan(ours) and np.isnan(theirs)) or abs(ours - theirs) <= TOLERANCE
        self.bad += not same
        print(f'{"same" if same else "DIFFERENT":10}{what:36}{ours:20.15f}{theirs:20.15f}')

    def check(self, what, good):
        self.bad += not good
        print(f'{"same" if good else "DIFFERENT":10}{what}')


def run(program, *words):
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f'{" ".join([program, *words])} gave {done.returncode}: {done.stderr}')


def evaluate(program, folder, protocol, gt, pred):
    path = os.path.join(folder, 'ours.json')
    run(program, 'evaluate', '--protocol', protocol, '--gt', gt, '--pred', pred, '--json', path)
    with open(path, encoding='utf-8') as handle:
        return json.load(handle)


def read_labels(path):
    """Per image: name, height, width, and a list of (class name, score, mask) as h5py and pycocotools see them."""
    with h5py.File(path, 'r') as f:
        classes = [name.decode() for name in f['classes/name'][()]]
        starts, counts = f['instances/rle_offset'][()], f['rle/counts'][()]
        images = [{'name': name.decode(), 'size': [int(h), int(w)], 'found': []} for name, h, w in
                  zip(f['images/name'][()], f['images/height'][()], f['images/width'][()])]
        for k in range(len(f['instances/score'])):
            image = images[f['instances/image_index'][k]]
            runs = counts[starts[k]:starts[k + 1]].tolist()
            rle = mask_tools.frPyObjects({'size': image['size'], 'counts': runs}, *image['size'])
            assert mask_tools.area(rle) == f['instances/area'][k], f'area of instance {k}'
            x0, y0, x1, y1 = f['instances/box'][k]
            assert mask_tools.toBbox(rle).tolist() == [x0, y0, x1 - x0 + 1, y1 - y0 + 1], f'box of instance {k}'
            image['found'].append((classes[f['instances/class'][k]], float(f['instances/score'][k]),
                                   mask_tools.decode(rle)))
    return images


def compare_masks(c, images, coco):
    """The COCO export, instance by instance."""
    names = {category['id']: category['name'] for category in coco.dataset['categories']}
    good = len(coco.imgs) == len(images)
    for number, image in enumerate(images, 1):
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[number]))
        good = good and coco.imgs[number]['file_name'] == image['name'] + '.png'
        good = good and len(annotations) == len(image['found'])
        for a, (cls, score, mask) in zip(annotations, image['found']):
            good = good and names[a['category_id']] == cls and a['score'] == score
            good = good and np.array_equal(coco.annToMask(a), mask)
    c.check(f'{len(coco.anns)} masks of {len(images)} images, by h5py and in the COCO export', good)


def compare_ids(c, images, folder):
    """Instance id images: a pixel belongs to the surest; ids are label id * 1000 + number, surest first."""
    label_id = {'person': 24, 'rider': 25, 'car': 26, 'truck': 27, 'bus': 28, 'train': 31, 'motorcycle': 32,
                'bicycle': 33}
    good = True
    for image in images:
        expected, number = np.zeros(image['size'], np.int64), {}
        for cls, _, mask in sorted(image['found'], key=lambda found: -found[1]):
            n = number[cls] = number.get(cls, -1) + 1
            expected[(expected == 0) & (mask > 0)] = label_id[cls] * 1000 + n
        ids = np.array(Image.open(os.path.join(folder, image['name'] + '_gtFine_instanceIds.png')))
        good = good and np.array_equal(ids.astype(np.int64), expected)
    c.check(f'instance id images of {len(images)} images', good)


def compare_coco(c, program, labels, folder, truth_path, what):
    """AP of the results export by pycocotools."""
    results = os.path.join(folder, 'results.json')
    run(program, 'export', labels, '--to', 'coco-results', '--out', results, '--instances', truth_path)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(truth_path)
        judge = COCOeval(truth, truth.loadRes(results), 'segm')
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    for pred in (labels, results):
        ours = evaluate(program, folder, 'coco', truth_path, pred)
        for key, theirs in zip(STATS, judge.stats):
            c.figure(f'{what} {key} {os.path.splitext(pred)[1]}', ours.get(key), theirs)
    precision = judge.eval['precision']  # [IoU, recall, class, area, detections]
    for k, category in enumerate(truth.loadCats(truth.getCatIds())):
        values = precision[:, :, k, 0, -1]
        theirs = values[values > -1].mean() if (values > -1).any() else -1
        if category['name'] in ours['classes']:
            c.figure(f'{what} AP {category["name"]}', ours['classes'][category['name']]['AP'], theirs)


def compare_cityscapes(c, program, labels, folder, root):
    """AP of the Cityscapes export by cityscapesScripts."""
    results = os.path.join(folder, 'cityscapes')
    run(program, 'export', labels, '--to', 'cityscapes', '--out', results)
    if not hasattr(np, 'in1d'):  # cityscapesScripts 2.3 is older than the numpy that dropped it
        np.in1d = lambda a, b: np.isin(np.ravel(a), b)
    import cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling as judge
    judge.args.predictionPath, judge.args.quiet = results, True
    judge.args.gtInstancesFile = os.path.join(folder, 'gtInstances.json')
    truth = sorted(glob.glob(os.path.join(root, 'gtFine', '*', '*', '*_gtFine_instanceIds.png')))
    if not truth:
        sys.exit(f"'{root}' has no gtFine/SPLIT/CITY/*_gtFine_instanceIds.png")
    with contextlib.redirect_stdout(io.StringIO()):  # the steps of its evaluateImgLists, which writes files beside
        preds = [judge.getPrediction(path, judge.args) for path in truth]
        judge.setInstanceLabels(judge.args)
        matches = judge.matchGtWithPreds(preds, truth, judge.getGtInstances(truth, judge.args), judge.args)
        theirs = judge.computeAverages(judge.evaluateMatches(matches, judge.args), judge.args)
    for pred in (labels, results):
        ours = evaluate(program, folder, 'cityscapes', root, pred)
        what = 'Cityscapes, ' + ('label set' if pred == labels else 'export')
        c.figure(f'{what} AP', ours['AP'], theirs['allAp'])
        c.figure(f'{what} AP50', ours['AP50'], theirs['allAp50%'])
    for name, figures in ours['classes'].items():
        c.figure(f'Cityscapes AP {name}', figures['AP'], theirs['classes'][name]['ap'])
        c.figure(f'Cityscapes AP50 {name}', figures['AP50'], theirs['classes'][name]['ap50%'])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('program')
    parser.add_argument('labels')
    parser.add_argument('--gt', help='folder that holds gtFine')
    parser.add_argument('--instances', help='COCO instances file')
    a = parser.parse_args()
    c = Comparison()
    with tempfile.TemporaryDirectory() as folder:
        images = read_labels(a.labels)
        own = os.path.join(folder, 'labels.json')
        run(a.program, 'export', a.labels, '--to', 'coco', '--out', own)
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(own)
        compare_masks(c, images, coco)
        run(a.program, 'export', a.labels, '--to', 'instance-ids', '--out', os.path.join(folder, 'ids'))
        compare_ids(c, images, os.path.join(folder, 'ids'))
        compare_coco(c, a.program, a.labels, folder, own, 'COCO, own truth,')
        if a.instances is not None:
            compare_coco(c, a.program, a.labels, folder, a.instances, 'COCO')
        if a.gt is not None:
            compare_cityscapes(c, a.program, a.labels, folder, a.gt)
    print('all the same' if c.bad == 0 else f'{c.bad} differ')
    return 0 if c.bad == 0 else 1


if __name__ == '__main__':
    sys.exit(main())
