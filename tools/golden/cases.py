"""Sizes of the golden cases. `seed` was chosen so that no discrete choice (mask bit, most uncertain points, matching)
is within rounding of its threshold, and no ReLU or sampling location within rounding of the kink of its gradient: the
generator prints the margins."""
SMALL = dict(embed_dim=32, depths=[1, 1, 2, 1], heads=[1, 2, 4, 8], window=7, hidden=64, mask_dim=64, encoder_layers=2,
             encoder_ffn=96, heads_n=2, groups=32, decoder_layers=3, decoder_ffn=96, queries=6, classes=8)

CASES = {
    # every stage is padded for its windows; all ten predictions of the full decoder
    'padded': dict(SMALL, depths=[2, 2, 2, 2], heads=[2, 4, 8, 16], heads_n=4, decoder_layers=9, queries=10,
                   height=96, width=160, targets=[3, 4], points=256, steps=0, seed=13),
    # stage 1 is one window exactly (shifted); an image without targets and one with more targets than queries
    'exact': dict(SMALL, depths=[2, 2, 1, 1], window=8, queries=5, height=64, width=64, targets=[0, 7, 2], points=200,
                  steps=0, seed=1),
    # the reference's number of points, a window wider than every map, not square
    'points': dict(SMALL, window=12, height=64, width=96, targets=[3], points=12544, steps=0, seed=3,
                   post=dict(image=[60, 90], size=[75, 113], top=30)),
    # a ResNet: blocks with and without a convolution on the shortcut in stages of stride 1 and 2
    'resnet': dict(resnet=1, embed_dim=32, depths=[2, 1, 2, 1], hidden=64, mask_dim=64, encoder_layers=1,
                   encoder_ffn=64, heads_n=4, groups=16, decoder_layers=3, decoder_ffn=64, queries=8, classes=8,
                   height=64, width=96, targets=[3, 2], points=128, steps=2, seed=6),
    # the small model of the demonstration, ten steps of the optimiser
    'demo': dict(embed_dim=24, depths=[1, 1, 2, 1], heads=[3, 6, 12, 24], window=4, hidden=64, mask_dim=64,
                 encoder_layers=2, encoder_ffn=256, heads_n=4, groups=16, decoder_layers=3, decoder_ffn=256, queries=20,
                 classes=8, height=64, width=96, targets=[3, 2], points=128, steps=10, seed=1,
                 post=dict(image=[64, 96], size=[64, 96], top=30)),
}
