"""Parameters in the reference's order: detectron2 name, shape, kind, and where Hugging Face keeps them.

Kinds say how the golden tests fill a parameter (values.py) and which group of the optimiser it belongs to; those of
FROZEN are constants of the model.
"""
E = 'model.pixel_level_module.encoder.'
D = 'model.pixel_level_module.decoder.'
T = 'model.transformer_module.'
PD = 'sem_seg_head.pixel_decoder.'
TP = 'sem_seg_head.predictor.'
FROZEN = ('frozen_gamma', 'frozen_beta', 'mean', 'var')


def swin(c, add, dense, norm):
    C, W = c['embed_dim'], c['window']
    dense('backbone.patch_embed.proj', [C, 3, 4, 4], E + 'swin.embeddings.patch_embeddings.projection')
    norm('backbone.patch_embed.norm', C, E + 'swin.embeddings.norm')
    for i in range(4):
        d = C << i
        for j in range(c['depths'][i]):
            n, h = f'backbone.layers.{i}.blocks.{j}.', E + f'swin.encoder.layers.{i}.blocks.{j}.'
            a = h + 'attention.'
            norm(n + 'norm1', d, h + 'layernorm_before')
            add(n + 'attn.relative_position_bias_table', [(2 * W - 1) ** 2, c['heads'][i]], 'table',
                a + 'relative_position_bias.relative_position_bias_table')
            dense(n + 'attn.qkv', [3 * d, d], a + 'q_proj', a + 'k_proj', a + 'v_proj')
            dense(n + 'attn.proj', [d, d], a + 'o_proj')
            norm(n + 'norm2', d, h + 'layernorm_after')
            dense(n + 'mlp.fc1', [4 * d, d], h + 'mlp.fc1')
            dense(n + 'mlp.fc2', [d, 4 * d], h + 'mlp.fc2')
        if i < 3:
            n, h = f'backbone.layers.{i}.downsample.', E + f'swin.encoder.layers.{i}.downsample.'
            dense(n + 'reduction', [2 * d, 4 * d], h + 'reduction', bias=False)
            norm(n + 'norm', 4 * d, h + 'norm')
    for i in range(4):
        norm(f'backbone.norm{i}', C << i, E + f'hidden_states_norms.stage{i + 1}')


def resnet(c, add):
    """Frozen norms: kinds that have no gradient."""
    def conv(name, shape, hf):
        add(name + '.weight', shape, 'weight', hf + '.convolution.weight')
        for leaf, kind in (('weight', 'frozen_gamma'), ('bias', 'frozen_beta'), ('running_mean', 'mean'),
                           ('running_var', 'var')):
            add(f'{name}.norm.{leaf}', shape[:1], kind, f'{hf}.normalization.{leaf}')

    C = c['embed_dim']
    conv('backbone.stem.conv1', [C // 4, 3, 7, 7], E + 'embedder.embedder')
    width = C // 4
    for i in range(4):
        out, inner = C << i, (C << i) // 4
        for j in range(c['depths'][i]):
            n, h = f'backbone.res{i + 2}.{j}.', E + f'encoder.stages.{i}.layers.{j}.'
            if width != out:
                conv(n + 'shortcut', [out, width, 1, 1], h + 'shortcut')
            conv(n + 'conv1', [inner, width, 1, 1], h + 'layer.0')
            conv(n + 'conv2', [inner, inner, 3, 3], h + 'layer.1')
            conv(n + 'conv3', [out, inner, 1, 1], h + 'layer.2')
            width = out


def registry(c):
    """c: sizes as in cases.py. List of (name, shape, kind, [hf names]); several hf names: equal blocks of rows."""
    out = []

    def add(name, shape, kind, *hf):
        out.append((name, tuple(shape), kind, list(hf)))

    def dense(name, shape, *hf, bias=True, kind='weight', bias_kind='bias'):
        add(name + '.weight', shape, kind, *[h + '.weight' for h in hf])
        if bias:
            add(name + '.bias', shape[:1], bias_kind, *[h + '.bias' for h in hf])

    def norm(name, width, hf):
        add(name + '.weight', [width], 'gamma', hf + '.weight')
        add(name + '.bias', [width], 'beta', hf + '.bias')

    C = c['embed_dim']
    if c.get('resnet'):
        resnet(c, add)
    else:
        swin(c, add, dense, norm)

    H, M = c['hidden'], c['mask_dim']
    for k in range(3):
        dense(PD + f'input_proj.{k}.0', [H, C << (3 - k), 1, 1], D + f'input_projections.{k}.0')
        norm(PD + f'input_proj.{k}.1', H, D + f'input_projections.{k}.1')
    add(PD + 'transformer.level_embed', [3, H], 'level', D + 'level_embed')
    s = c['heads_n'] * 3 * 4
    for l in range(c['encoder_layers']):
        n, h = PD + f'transformer.encoder.layers.{l}.', D + f'encoder.layers.{l}.'
        dense(n + 'self_attn.sampling_offsets', [2 * s, H], h + 'self_attn.sampling_offsets',
              kind='offset_weight', bias_kind='offset_bias')
        dense(n + 'self_attn.attention_weights', [s, H], h + 'self_attn.attention_weights')
        dense(n + 'self_attn.value_proj', [H, H], h + 'self_attn.value_proj')
        dense(n + 'self_attn.output_proj', [H, H], h + 'self_attn.output_proj')
        norm(n + 'norm1', H, h + 'self_attn_layer_norm')
        dense(n + 'linear1', [c['encoder_ffn'], H], h + 'fc1')
        dense(n + 'linear2', [H, c['encoder_ffn']], h + 'fc2')
        norm(n + 'norm2', H, h + 'final_layer_norm')
    dense(PD + 'mask_features', [M, H, 1, 1], D + 'mask_projection')
    dense(PD + 'adapter_1', [H, C, 1, 1], D + 'adapter_1.0', bias=False)
    norm(PD + 'adapter_1.norm', H, D + 'adapter_1.1')
    dense(PD + 'layer_1', [H, H, 3, 3], D + 'layer_1.0', bias=False)
    norm(PD + 'layer_1.norm', H, D + 'layer_1.1')

    for l in range(c['decoder_layers']):
        n, h = TP + f'transformer_self_attention_layers.{l}.', T + f'decoder.layers.{l}.self_attn'
        add(n + 'self_attn.in_proj_weight', [3 * H, H], 'weight', *[f'{h}.{x}_proj.weight' for x in 'qkv'])
        add(n + 'self_attn.in_proj_bias', [3 * H], 'bias', *[f'{h}.{x}_proj.bias' for x in 'qkv'])
        dense(n + 'self_attn.out_proj', [H, H], h + '.out_proj')
        norm(n + 'norm', H, h + '_layer_norm')
    for l in range(c['decoder_layers']):
        n, h = TP + f'transformer_cross_attention_layers.{l}.', T + f'decoder.layers.{l}.cross_attn'
        add(n + 'multihead_attn.in_proj_weight', [3 * H, H], 'weight', h + '.in_proj_weight')
        add(n + 'multihead_attn.in_proj_bias', [3 * H], 'bias', h + '.in_proj_bias')
        dense(n + 'multihead_attn.out_proj', [H, H], h + '.out_proj')
        norm(n + 'norm', H, h + '_layer_norm')
    for l in range(c['decoder_layers']):
        n, h = TP + f'transformer_ffn_layers.{l}.', T + f'decoder.layers.{l}.'
        dense(n + 'linear1', [c['decoder_ffn'], H], h + 'fc1')
        dense(n + 'linear2', [H, c['decoder_ffn']], h + 'fc2')
        norm(n + 'norm', H, h + 'final_layer_norm')
    norm(TP + 'decoder_norm', H, T + 'decoder.layernorm')
    add(TP + 'query_feat.weight', [c['queries'], H], 'embedding', T + 'queries_features.weight')
    add(TP + 'query_embed.weight', [c['queries'], H], 'embedding', T + 'queries_embedder.weight')
    add(TP + 'level_embed.weight', [3, H], 'embedding', T + 'level_embed.weight')
    dense(TP + 'class_embed', [c['classes'] + 1, H], 'class_predictor')
    for i in range(3):
        dense(TP + f'mask_embed.layers.{i}', [H if i < 2 else M, H],
              T + f'decoder.mask_predictor.mask_embedder.{i}.0')
    return out
