#!/usr/bin/env python3
"""Makes the tokenizer tests' inputs with the Hugging Face `tokenizers` library.

Trains four small byte-level BPE tokenizers, in the forms of GPT-2, DeepSeek-V2, DeepSeek-V3 and LLaMA 3,
and records the ids and the decoded text of fixed and of seeded random texts:

    tools/dev/make_tokenizer_cases.py          # writes test/Checkpoint/Inputs/

Each tokenizer-* folder holds tokenizer.json, tokenizer_config.json and cases.json; kjv-v2.json holds cases of
the trained model's tokenizer, as AutoTokenizer reads it. Needs
`pip install tokenizers transformers`; the stored files were made with tokenizers 0.23.3. Same versions,
same bytes.
"""
import json
import os
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "..", "test", "Checkpoint", "Inputs")

CORPUS = [
    "A model description goes in, and one artifact comes out that runs on every machine in its list.",
    "The compiler reads the config first. It doesn't guess: what's missing is an error, and we'll say so.",
    "def forward(self, x):\n    return self.down(silu(self.gate(x)) * self.up(x))\n",
    "In 2024 the 236B model had 160 experts; 6 of them, plus 2 shared ones, worked on each token.",
    "Résumé, naïve, café, Ångström, Straße, façade: words with marks over and under their letters.",
    "Москва стоит на реке, и река течёт медленно.  Ωμέγα και άλφα.",
    "模型把文字切成小块。每一块都有一个编号，编号再变成向量。今天天气很好，我们去公园散步。",
    "日本語のテキストも、ひらがなとカタカナがあります。 한국어 문장도 조금 있습니다.",
    "if (a[i] != b[j]) { swap(a[i], b[j]); }  // 3.14159e-10\r\n\r\n\tint main() { return 0; }",
    "     wide      spaces   and\ttabs\n\n\n   and lines   \n",
]

TEXTS = [
    "",
    " ",
    "a",
    "Hello, world!",
    "  leading and trailing  ",
    "don't DON'T we'll WE'LL I'm they've it's 'quoted'",
    "x = 12345 + 6789; y = ½ ٣٤ Ⅷ",
    "line one\nline two\r\nline three\n\n\nend",
    "tabs\tand\x0bvertical\x0cfeeds\x85next\u2028sep",
    "no\u00a0break\u3000ideographic\u180emongolian\u200bzero",
    "   \n   \n",
    "a  \n",
    "a  \nb  ",
    "中文和 English 混在一起，还有123个数字。",
    "ひらがな カタカナ 漢字 한국어",
    "emoji 😀👍🏽👩‍👩‍👧 flags 🇩🇪",
    "combining e\u0301 n\u0303 a\u030a",
    "a" * 300,
    " " * 200,
    "ab" * 100 + "\n" * 50,
    "((((a))))[[[b]]]{{{c}}}<<<d>>>!!!???...",
    "<s>special<s> in</s>side <pad> <s",
    "<w> left <w>  right<w><w> x <w>",
    "user@example.org https://example.org/a?b=c&d=%20#frag",
    "\ufeffbom \ufffd replacement \U0010ffff",
    "ſtraße KELVIN K ſ's 'ſ",
]

# The classes are shorter than DeepSeek's own, the constructs are the same.
V2_SPLITS = [
    "[\r\n]",
    "\\s?[A-Za-zµÀ-ÖØ-öø-ƺΆΈ-ΊΌΎ-ΡΣ-ϵА-яЁё-ԯＡ-Ｚａ-ｚ𐐀-𐑏]+",
    "\\s?[!-/:-~！-／：-～‘-‟　-。]+",
    "\\s+$",
    "[一-龥ࠀ-一가-퟿]+",
]
V3_SPLITS = [
    "\\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
]
LLAMA3_SPLIT = (
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
    "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
)


def isolated(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def byte_level(prefix=False, regex=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)


def trained(pre_tokenizer, size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=1,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def gpt2():
    tokenizer = trained(byte_level(regex=True), 520)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens(["<s>", "</s>"])
    return tokenizer, {}


def deepseek_v2():
    splits = [isolated(p) for p in V2_SPLITS] + [pre_tokenizers.Digits(individual_digits=True), byte_level()]
    tokenizer = trained(pre_tokenizers.Sequence(splits), 620)
    tokenizer.normalizer = normalizers.Sequence([])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([AddedToken("<s>", normalized=True, special=True), "</s>"])
    tokenizer.add_tokens(["<w>"])
    return tokenizer, {"add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": "</s>"}


def deepseek_v3():
    tokenizer = trained(pre_tokenizers.Sequence([isolated(p) for p in V3_SPLITS] + [byte_level()]), 620)
    tokenizer.add_special_tokens(["<s>", "</s>", "<pad>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 620), ("</s>", 621)]
    )
    return tokenizer, {}


def llama3():
    tokenizer = trained(pre_tokenizers.Sequence([isolated(LLAMA3_SPLIT), byte_level(prefix=True)]), 560)
    # Drops merges without which whole words are reachable through ignore_merges only.
    spec = json.loads(tokenizer.to_str())
    spec["model"]["merges"] = [m for i, m in enumerate(spec["model"]["merges"]) if i < 200]
    spec["model"]["ignore_merges"] = True
    tokenizer = Tokenizer.from_str(json.dumps(spec))
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.add_tokens([AddedToken("<w>", lstrip=True, rstrip=True), AddedToken("wide", lstrip=True)])
    tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=False),
         processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 560)])]
    )
    return tokenizer, {}


def random_texts(seed, count):
    chooser = random.Random(seed)
    letters = "aAbBzZéßЖж漢字かカ한0159²½٣ \u3000\t\n\r.,'’!?-_()[]{}<>/\\\"#$&@^`|~+=*%😀\u0301\u200d\u0085ſ"
    texts = []
    for _ in range(count):
        words = [chooser.choice(CORPUS).split(" ")[0] for _ in range(chooser.randrange(3))]
        noise = "".join(chooser.choice(letters) for _ in range(chooser.randrange(1, 24)))
        texts.append(chooser.choice(["", " ", "\n"]).join(words + [noise]))
    return texts


def ids_as_transformers(tokenizer, config, texts):
    """Ids with the tokens around the text. The flags are given to the constructor: transformers 5.23 drops them
    when it reads tokenizer_config.json, where transformers 4, DeepSeek's own code and llama.cpp obey them."""
    loaded = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(tokenizer.to_str()), **config)
    return [loaded(text)["input_ids"] for text in texts]


def make_cases(tokenizer, texts, all_ids):
    cases = []
    for text, ids in zip(texts, all_ids):
        cases.append({
            "text": text,
            "ids": ids,
            "plain": tokenizer.encode(text, add_special_tokens=False).ids,
            "decoded": tokenizer.decode(ids, skip_special_tokens=True),
            "shown": tokenizer.decode(ids, skip_special_tokens=False),
        })
    return cases


def make_broken(tokenizer, seed):
    """Random ids, which cut characters into pieces, to see what becomes of broken bytes."""
    chooser = random.Random(seed)
    broken = []
    for _ in range(40):
        ids = [chooser.randrange(tokenizer.get_vocab_size()) for _ in range(12)]
        broken.append({"ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)})
    return broken


def write(path, value):
    with open(path, "w") as file:
        json.dump(value, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


def main():
    os.makedirs(OUT, exist_ok=True)
    for seed, make in enumerate([gpt2, deepseek_v2, deepseek_v3, llama3]):
        tokenizer, config = make()
        texts = TEXTS + random_texts(seed, 80)
        cases = make_cases(tokenizer, texts, ids_as_transformers(tokenizer, config, texts))
        folder = os.path.join(OUT, "tokenizer-" + make.__name__)
        os.makedirs(folder, exist_ok=True)
        write(os.path.join(folder, "tokenizer.json"), json.loads(tokenizer.to_str()))
        write(os.path.join(folder, "tokenizer_config.json"), config)
        write(os.path.join(folder, "cases.json"), {"cases": cases, "broken": make_broken(tokenizer, seed)})

    model = os.path.join(HERE, "..", "..", "models", "kjv-v2")
    tokenizer = Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
    loaded = AutoTokenizer.from_pretrained(model)
    texts = TEXTS + random_texts(4, 80)
    cases = make_cases(tokenizer, texts, [loaded(text)["input_ids"] for text in texts])
    write(os.path.join(OUT, "kjv-v2.json"), {"cases": cases, "broken": make_broken(tokenizer, 4)})


if __name__ == "__main__":
    main()
