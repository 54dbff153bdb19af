"""Trains the 2,048-entry byte-level BPE of models/tiny-olmoe (the OLMoE kind) on the pre-training mix.

  python tools/pretrain/train_tokenizer.py --mix DIR --out models/tiny-olmoe      (needs the `tokenizers` package)
"""
import argparse
import json
import pathlib

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mix", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    # Single digits: numbers are what the fine-tuning task is about, and a small vocabulary has no room for many of them.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(vocab_size=2048, special_tokens=["<|endoftext|>", "<|padding|>"],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    texts = [json.loads(line)["text"] for line in open(args.mix / "train.jsonl")]
    tokenizer.train_from_iterator(texts, trainer)
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(args.out / "tokenizer.json"), pretty=False)
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>", "pad_token": "<|padding|>",
              "model_max_length": 512, "clean_up_tokenization_spaces": False}
    (args.out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    total = sum(len(e.ids) for e in tokenizer.encode_batch(texts))
    print(f"{tokenizer.get_vocab_size()} entries; the mix has {total:,} tokens, {sum(map(len, texts)) / total:.2f} characters each")


if __name__ == "__main__":
    main()
