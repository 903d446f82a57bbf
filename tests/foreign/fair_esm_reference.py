"""Small random models by fair-esm's own modules, saved as fair-esm's files are, and what fair-esm then makes of them.

Run where ``esm`` is fair-esm: ``PYTHONPATH=<fair-esm> python fair_esm_reference.py <folder> <protein> ...``.
"""

import argparse
import sys
from pathlib import Path

import esm
import numpy as np
import torch

N_LAYERS, N_HEADS, WIDTH, N_POSITIONS = 3, 4, 32, 62
MASKED = 2  # the residue that is masked in a second run
CONTACTS = "contact_head.regression"


def esm2():
    torch.manual_seed(2)
    model = esm.ESM2(num_layers=N_LAYERS, embed_dim=WIDTH, attention_heads=N_HEADS, token_dropout=True)
    for layer in model.layers:  # the released models were trained in float16, and their frequencies show it
        layer.self_attn.rot_emb.inv_freq = layer.self_attn.rot_emb.inv_freq.half().float()
    settings = argparse.Namespace(
        encoder_layers=N_LAYERS,
        encoder_embed_dim=WIDTH,
        encoder_attention_heads=N_HEADS,
        token_dropout=True,
        noise=[0.15, "0.8", None],
    )
    return model, {"cfg": {"model": settings}}


def elder(has_norm_before):
    torch.manual_seed(3)
    settings = {
        "layers": N_LAYERS,
        "embed_dim": WIDTH,
        "ffn_embed_dim": 2 * WIDTH,
        "attention_heads": N_HEADS,
    }
    common = {"arch": "roberta_large", "max_positions": N_POSITIONS, "token_dropout": True}
    args = argparse.Namespace(**settings, **common, emb_layer_norm_before=has_norm_before)
    model = esm.ProteinBertModel(args, esm.Alphabet.from_architecture("roberta_large"))
    saved = argparse.Namespace(**{f"encoder_{name}": value for name, value in settings.items()}, **common)
    return model, {"args": saved}


MODELS = {
    "esm2_t3_random": esm2,
    "esm1b_t3_random": lambda: elder(True),
    "esm1v_t3_random_1": lambda: elder(False),
}


def sharpen(model):
    """Random weights large enough that attention is far from uniform."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(0, 3.0 if CONTACTS in name else 0.35)
            elif name.endswith("bias"):
                weight.normal_(0, 0.1)


def save(model, settings, folder, name):
    """The two files: names as fairseq had them, the contact regression apart."""
    state = model.state_dict()
    regression = {key: state.pop(key) for key in list(state) if key.startswith(CONTACTS)}
    prefixed = {
        ("encoder." if key.startswith("lm_head") else "encoder.sentence_encoder.") + key: value
        for key, value in state.items()
    }
    torch.save({**settings, "model": prefixed}, folder / f"{name}.pt")
    if "esm1v" not in name:
        torch.save({"model": regression}, folder / f"{name}-contact-regression.pt")


@torch.inference_mode()
def answers(model, alphabet, protein):
    _, _, tokens = alphabet.get_batch_converter()([("protein", protein)])
    everything = model(tokens, repr_layers=range(N_LAYERS + 1), need_head_weights=True, return_contacts=True)
    masked = tokens.clone()
    masked[0, MASKED + 1] = alphabet.mask_idx
    return {
        "logits": everything["logits"][0, 1:-1],
        "hidden": torch.stack([everything["representations"][n][0, 1:-1] for n in range(N_LAYERS + 1)]),
        "attentions": everything["attentions"][0, :, :, 1:-1, 1:-1],
        "contacts": everything["contacts"][0],
        "masked": model(masked)["logits"][0, MASKED + 1],
    }


def main(folder, proteins):
    for name, build in MODELS.items():
        model, settings = build()
        sharpen(model)
        save(model, settings, folder, name)
        with torch.serialization.safe_globals([argparse.Namespace]):
            read, alphabet = esm.pretrained.load_model_and_alphabet_local(folder / f"{name}.pt")
        for number, protein in enumerate(proteins):
            arrays = {key: x.numpy() for key, x in answers(read.eval(), alphabet, protein).items()}
            np.savez(folder / f"{name}-{number}.npz", **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
