"""Which commit of a hub repository is meant, and the hashes of its files, where somebody recorded them."""

# As recorded by Synthyra/FastPLMs (src/fastplms/models.toml, 2026-08-11). ESM-2 15B, ESM-1b and ESM-1v were not: a
# download of them states the commit it resolved.
REVISIONS = {
    "facebook/esm2_t6_8M_UR50D": "c731040fcd8d73dceaa04b0a8e6329b345b0f5df",
    "facebook/esm2_t12_35M_UR50D": "6fbf070e65b0b7291e7bbcd451118c216cff79d8",
    "facebook/esm2_t30_150M_UR50D": "a695f6045e2e32885fa60af20c13cb35398ce30c",
    "facebook/esm2_t33_650M_UR50D": "08e4846e537177426273712802403f7ba8261b6c",
    "facebook/esm2_t36_3B_UR50D": "476b639933c8baad5ad09a60ac1a87f987b656fc",
    "biohub/ESMC-300M": "a59b831785f907e96e6a246b1d142bfb76df31ee",
    "biohub/ESMC-600M": "a7e82012c83126b9eedb055fea9fa84b6c02f094",
    "biohub/ESMC-6B": "45b0fa5d7fb06faefbd5e3b89bdcef35d564e79a",
    "biohub/esm3-sm-open-v1": "47f0545b2b6daf26a93439a3cd610f4f7f3d5478",
    "facebook/esmfold_v1": "75a3841ee059df2bf4d56688166c8fb459ddd97a",
    "biohub/ESMFold2": "1ebf0e3481a5184eb6171d40615c79e384b48796",
}


def _shards(pattern: str, *hashes: str) -> dict[str, str]:
    return {pattern.format(number, len(hashes)): value for number, value in enumerate(hashes, 1)}


# Of the files at those revisions: 64 digits are the SHA-256 of the content, 40 are the git blob id.
HASHES = {
    "facebook/esm2_t6_8M_UR50D": {
        "config.json": "c2c6e65a87d9d20d47699ae236d605b80c741dd3",
        "model.safetensors": "24c5fa474c48f3b754b86efe752d5f189d2bcd88190fa2270fc92b2ef3034189",
    },
    "facebook/esm2_t12_35M_UR50D": {
        "config.json": "3f64131bb610ed1ce482c4b5421fc358c785278f",
        "model.safetensors": "e35647818e0e064351d4531ed480d225a002567b4b2b93ad3a9246d753150fc0",
    },
    "facebook/esm2_t30_150M_UR50D": {
        "config.json": "52e04179e6fbad6663a94ea5cc44f09d764c5cd4",
        "model.safetensors": "c3f1da8aea53bddd32c246c86168c23b9fd72341fb9db9a94436f855f5053566",
    },
    "facebook/esm2_t33_650M_UR50D": {
        "config.json": "a956a25d277f30bd870d3760b9a116f19ead885e",
        "model.safetensors": "a08adabb949fa67ad3c14b509d04fd60368b35007b0095e3358f81200c4f4db0",
    },
    "facebook/esm2_t36_3B_UR50D": {
        "config.json": "69e7563923f87d2d7439bfb83e5a19b44b46d71b",
        **_shards(
            "pytorch_model-{:05d}-of-{:05d}.bin",
            "0f971f11c449d21422aa982b791619c10351972992c735f4c3cd43fe09790412",
            "7560b46fc383c691fb74b915b7d4bcef40d3df181447f16ba4b298845e308d0c",
        ),
    },
    "biohub/ESMC-300M": {
        "config.json": "9a49eacf4e65c39f74381f0f0d240e3b89ef43d7",
        "model.safetensors": "0772d8fe64bb25e14fe6f23b80e3c9a7d215d0da3c6cba5bd356d7c0e0bb22cc",
    },
    "biohub/ESMC-600M": {
        "config.json": "71c8241dc28a5fb636248267a0927c0242b264c1",
        "model.safetensors": "e4232c30fd35fe2f57051ec88a703996ac94520580b4b836894207a3d45d9ff8",
    },
    "biohub/ESMC-6B": {
        "config.json": "19f5fb09e4f630fb5b748a497183c22a87ec5102",
        **_shards(
            "model-{:05d}-of-{:05d}.safetensors",
            "bd90149ff223e6ac1a0cac6147a5ae0df20d3a21df4f65356a1f19cd14f4aa8a",
            "f75e2144d8269fe2eb4b3e0823fb089b94f176d8024153e85b8fb573a42294fa",
            "f699f01ecc9691d9c6470492765fe54b8b5d2e9f277c139e89427433ffdfe0b2",
            "46add1b7be098bbfdc3073884851ba3057f1b33ea23a158b650a37007dabd13d",
            "1e1cb62f060a34e18f54a31a76683ef888b8cec59e73315f5b31d25d45a1f88c",
            "56c73e13ae96e777ce65eee99364056069ef93b646470f352f83c5f1037b1b18",
        ),
    },
    "biohub/esm3-sm-open-v1": {
        "config.json": "0967ef424bce6791893e9a57bb952f80fd536e93",
        "data/weights/esm3_sm_open_v1.pth": "5ead5a135c658068db6a4f1b933e72d6110992c4668822e1c0e2dcc53e38acd9",
    },
    "facebook/esmfold_v1": {
        "config.json": "1232d0aee4be551021d8e70e66ed2b062df917bf",
        "pytorch_model.bin": "2ee07356b125d1e3e57503c204111fd7323347fc4735d41d3caac57c2a78e116",
    },
    "biohub/ESMFold2": {
        "config.json": "0300c084b990b2bd600efd9f538aa5de27109fea",
        "model.safetensors": "138fd4350d6892b81ce6be7ff9bf5a93ae9d4d3751f46a27438a3f9f0dcefa0e",
    },
}
