"""The options that run.py and peft_step.py share. No torch here: run.py works with any Python."""
import argparse

METHODS = {
    "hot_loop": "loop over the experts by hand, LoRA on the hot ones",
    "hot_modules": "one module per expert, PEFT on the hot ones",
    "all_modules": "one module per expert, PEFT on all",
    "all_fused": "one tensor for all experts, PEFT on all",
    "attention": "one tensor for all experts, which stay frozen",
}
EXPERTS = 64  # of OLMoE


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")


def whole(low, high):
    def parse(text):
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number from {low} to {high}")
        return int(text)
    return parse


def share(text):
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to 1")
    return value


def add_sizes(parser):
    """What one step is; defaults as those of `hellora bench step`."""
    parser.add_argument("--layers", type=whole(1, 16), default=2, help="default 2")
    parser.add_argument("--tokens", type=whole(4, 1 << 22), default=2048, help="of a step; default 2048")
    parser.add_argument("--seq-len", type=whole(4, 4096), default=512, help="tokens of a document; default 512")
    parser.add_argument("--rank", type=whole(1, 1024), default=32, help="default 32")
    parser.add_argument("--hot", type=whole(0, EXPERTS), default=8, help="hot experts of a layer; default 8")
    parser.add_argument("--hot-share", type=share, default=0.53, help="share of the routed slots that they take; 0: whatever comes; default 0.53")
    parser.add_argument("--steps", type=whole(1, 100000), default=3, help="timed steps, after one that is not; default 3")
    parser.add_argument("--dtype", choices=["bf16", "fp32"], default="bf16", help="of the frozen weights; default bf16")
    parser.add_argument("--experts", choices=["grouped_mm", "eager"], default="grouped_mm",
                        help="how transformers multiplies fused experts (all_fused, attention); default grouped_mm, which is its own default")


def parse(parser):
    """The options; a document is at most as long as a step, and a step has whole documents."""
    options = parser.parse_args()
    options.seq_len = min(options.seq_len, options.tokens)
    if options.tokens % options.seq_len:
        parser.error(f"--tokens {options.tokens} is not a multiple of --seq-len {options.seq_len}")
    return options
