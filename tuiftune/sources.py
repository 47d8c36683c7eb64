"""The published sources of every recommendation, each with title, authors, year and link.

A reason, a quality or a rate names its source by the short form (`QLoRA paper, 2023`); views that explain in
full, and reports, look the rest up here. What nobody published says so in its own words: `tuiftune default`,
`measured on an H200 (benchmarks/health)`, `your rows`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT = "tuiftune default"  # no source: a choice of this program


@dataclass(frozen=True, slots=True)
class Source:
    """A paper, a page or a program's code. `short` is shown next to what it supports, and is unique."""

    short: str
    authors: str
    year: int
    title: str
    link: str = ""

    @property
    def cited(self) -> str:
        """Authors, year and title."""
        return f"{self.authors} ({self.year}). {self.title}"

    @property
    def full(self) -> str:
        """Authors, year, title and link in one line."""
        return f"{self.cited}. {self.link}" if self.link else f"{self.cited}."

    def __str__(self) -> str:
        return self.short


def arxiv(number: str) -> str:
    """The address of an arXiv paper."""
    return f"https://arxiv.org/abs/{number}"


# Adapters
LORA = Source(
    "LoRA paper, 2021",
    "Hu et al.",
    2021,
    "LoRA: Low-Rank Adaptation of Large Language Models",
    arxiv("2106.09685"),
)
QLORA = Source(
    "QLoRA paper, 2023",
    "Dettmers et al.",
    2023,
    "QLoRA: Efficient Finetuning of Quantized LLMs",
    arxiv("2305.14314"),
)
FORGETS_LESS = Source(
    "LoRA Learns Less, 2024",
    "Biderman et al.",
    2024,
    "LoRA Learns Less and Forgets Less",
    arxiv("2405.09673"),
)
NO_REGRET = Source(
    "LoRA Without Regret, 2025",
    "Schulman and Thinking Machines Lab",
    2025,
    "LoRA Without Regret",
    "https://thinkingmachines.ai/blog/lora/",
)
DORA = Source(
    "DoRA paper, 2024",
    "Liu et al.",
    2024,
    "DoRA: Weight-Decomposed Low-Rank Adaptation",
    arxiv("2402.09353"),
)
RSLORA = Source(
    "rsLoRA paper, 2023",
    "Kalajdzievski",
    2023,
    "A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA",
    arxiv("2312.03732"),
)
PISSA = Source(
    "PiSSA paper, 2024",
    "Meng et al.",
    2024,
    "PiSSA: Principal Singular Values and Singular Vectors Adaptation of Large Language Models",
    arxiv("2404.02948"),
)
LORAPLUS = Source(
    "LoRA+ paper, 2024",
    "Hayou et al.",
    2024,
    "LoRA+: Efficient Low Rank Adaptation of Large Models",
    arxiv("2402.12354"),
)
PREFIX = Source(
    "prefix-tuning paper, 2021",
    "Li and Liang",
    2021,
    "Prefix-Tuning: Optimizing Continuous Prompts for Generation",
    arxiv("2101.00190"),
)
PROMPT_TUNING = Source(
    "prompt-tuning paper, 2021",
    "Lester et al.",
    2021,
    "The Power of Scale for Parameter-Efficient Prompt Tuning",
    arxiv("2104.08691"),
)
IA3 = Source(
    "IA3 paper, 2022",
    "Liu et al.",
    2022,
    "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning",
    arxiv("2205.05638"),
)
LN_TUNING = Source(
    "Tuning LayerNorm, 2023",
    "Zhao et al.",
    2023,
    "Tuning LayerNorm in Attention: Towards Efficient Multi-Modal LLM Finetuning",
    arxiv("2312.11420"),
)
FREEZING = Source(
    "Freezing Layers, 2019",
    "Lee et al.",
    2019,
    "What Would Elsa Do? Freezing Layers During Transformer Fine-Tuning",
    arxiv("1911.03090"),
)
VARIANTS = Source(
    "Learning Rate Matters, 2026",
    "Lee et al.",
    2026,
    "Learning Rate Matters: Vanilla LoRA May Suffice for LLM Fine-tuning",
    arxiv("2602.04998"),
)
PEFT_COMPARISON = Source(
    "PEFT comparison, 2026",
    "Hugging Face",
    2026,
    "PEFT method comparison (Llama 3.2 3B on MetaMathQA)",
    "https://github.com/huggingface/peft/tree/main/method_comparison",
)

# Learning rate, batch, epochs
TINKER = Source(
    "Tinker cookbook, 2025",
    "Thinking Machines Lab",
    2025,
    "Tinker cookbook, hyperparam_utils.py",
    "https://github.com/thinking-machines-lab/tinker-cookbook/blob/main/tinker_cookbook/hyperparam_utils.py",
)
SWEEP = Source(
    "Tinker sweep, 2026",
    "Thinking Machines Lab",
    2026,
    "Tinker cookbook, results of the supervised fine-tuning sweep",
    "https://github.com/thinking-machines-lab/tinker-cookbook/blob/main/tinker_cookbook/recipes/chat_sl/results/sft_sweep.md",
)
RANK_SCALING = Source(
    "LoRA rank scaling paper, 2026",
    "Chen, Villar and Hayou",
    2026,
    "Learning Rate Scaling across LoRA Ranks and Transfer to Full Finetuning",
    arxiv("2602.06204"),
)
BATCH = Source(
    "Beware of the Batch Size, 2026",
    "Lee and Lee",
    2026,
    "Beware of the Batch Size: Hyperparameter Bias in Evaluating LoRA",
    arxiv("2602.09492"),
)
REPETITION = Source(
    "Data Repetition paper, 2026",
    "Kopiczko et al.",
    2026,
    "Data Repetition Beats Data Scaling in Long-CoT Supervised Fine-Tuning",
    arxiv("2602.11149"),
)
GPT3 = Source(
    "GPT-3 paper, 2020",
    "Brown et al.",
    2020,
    "Language Models are Few-Shot Learners",
    arxiv("2005.14165"),
)
PALM = Source(
    "PaLM paper, 2022",
    "Chowdhery et al.",
    2022,
    "PaLM: Scaling Language Modeling with Pathways",
    arxiv("2204.02311"),
)
GRADIENT_ADVICE = Source(
    "Bengio, 2012",
    "Bengio",
    2012,
    "Practical recommendations for gradient-based training of deep architectures",
    arxiv("1206.5533"),
)
ADAMW = Source(
    "AdamW paper, 2017",
    "Loshchilov and Hutter",
    2017,
    "Decoupled Weight Decay Regularization",
    arxiv("1711.05101"),
)
COSINE = Source(
    "SGDR paper, 2016",
    "Loshchilov and Hutter",
    2016,
    "SGDR: Stochastic Gradient Descent with Warm Restarts",
    arxiv("1608.03983"),
)
WARMUP = Source(
    "large-minibatch SGD paper, 2017",
    "Goyal et al.",
    2017,
    "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour",
    arxiv("1706.02677"),
)
EIGHT_BIT = Source(
    "8-bit optimizers paper, 2021",
    "Dettmers et al.",
    2021,
    "8-bit Optimizers via Block-wise Quantization",
    arxiv("2110.02861"),
)
BFLOAT16 = Source(
    "bfloat16 paper, 2019",
    "Kalamkar et al.",
    2019,
    "A Study of BFLOAT16 for Deep Learning Training",
    arxiv("1905.12322"),
)
MIXED_PRECISION = Source(
    "mixed-precision paper, 2017",
    "Micikevicius et al.",
    2017,
    "Mixed Precision Training",
    arxiv("1710.03740"),
)
DROPOUT = Source(
    "dropout paper, 2014",
    "Srivastava et al.",
    2014,
    "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
    "https://jmlr.org/papers/v15/srivastava14a.html",
)
FP8 = Source(
    "FP8 paper, 2022",
    "Micikevicius et al.",
    2022,
    "FP8 Formats for Deep Learning",
    arxiv("2209.05433"),
)

# Data, and whether to fine-tune
LIMA = Source(
    "LIMA paper, 2023",
    "Zhou et al.",
    2023,
    "LIMA: Less Is More for Alignment",
    arxiv("2305.11206"),
)
DEDUPLICATION = Source(
    "deduplication paper, 2021",
    "Lee et al.",
    2021,
    "Deduplicating Training Data Makes Language Models Better",
    arxiv("2107.06499"),
)
FLAN = Source(
    "FLAN paper, 2021",
    "Wei et al.",
    2021,
    "Finetuned Language Models Are Zero-Shot Learners",
    arxiv("2109.01652"),
)
INSTRUCT_GPT = Source(
    "InstructGPT paper, 2022",
    "Ouyang et al.",
    2022,
    "Training language models to follow instructions with human feedback",
    arxiv("2203.02155"),
)
DOMAIN_TEXT = Source(
    "Don't Stop Pretraining, 2020",
    "Gururangan et al.",
    2020,
    "Don't Stop Pretraining: Adapt Language Models to Domains and Tasks",
    arxiv("2004.10964"),
)
REPLAY = Source(
    "continual pre-training paper, 2024",
    "Ibrahim et al.",
    2024,
    "Simple and Scalable Strategies to Continually Pre-train Large Language Models",
    arxiv("2403.08763"),
)
RAG = Source(
    "RAG paper, 2020",
    "Lewis et al.",
    2020,
    "Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks",
    arxiv("2005.11401"),
)
INJECTION = Source(
    "Fine-Tuning or Retrieval, 2023",
    "Ovadia et al.",
    2023,
    "Fine-Tuning or Retrieval? Comparing Knowledge Injection in LLMs",
    arxiv("2312.05934"),
)
NEW_FACTS = Source(
    "new-knowledge paper, 2024",
    "Gekhman et al.",
    2024,
    "Does Fine-Tuning LLMs on New Knowledge Encourage Hallucinations?",
    arxiv("2405.05904"),
)
SAFETY = Source(
    "safety fine-tuning paper, 2023",
    "Qi et al.",
    2023,
    "Fine-tuning Aligned Language Models Compromises Safety, Even When Users Do Not Intend To!",
    arxiv("2310.03693"),
)
SMALL_CLASSIFIERS = Source(
    "small classifiers paper, 2024",
    "Bucher and Martini",
    2024,
    "Fine-Tuned 'Small' LLMs (Still) Significantly Outperform Zero-Shot Generative AI Models in Text "
    "Classification",
    arxiv("2406.08660"),
)
# Said only where it disagrees with what can be opened.
PRACTITIONERS = Source(
    "practitioners' guides, 2025",
    "Five practitioners' guides without a public address",
    2025,
    "Named where they disagree with the published sources",
)

# Preferences and rewards
DPO = Source(
    "DPO paper, 2023",
    "Rafailov et al.",
    2023,
    "Direct Preference Optimization: Your Language Model is Secretly a Reward Model",
    arxiv("2305.18290"),
)
KTO = Source(
    "KTO paper, 2024",
    "Ethayarajh et al.",
    2024,
    "KTO: Model Alignment as Prospect Theoretic Optimization",
    arxiv("2402.01306"),
)
ORPO = Source(
    "ORPO paper, 2024",
    "Hong et al.",
    2024,
    "ORPO: Monolithic Preference Optimization without Reference Model",
    arxiv("2403.07691"),
)
SIMPO = Source(
    "SimPO paper, 2024",
    "Meng et al.",
    2024,
    "SimPO: Simple Preference Optimization with a Reference-Free Reward",
    arxiv("2405.14734"),
)
TRL_GRPO = Source(
    "TRL GRPO trainer, 2025",
    "Hugging Face",
    2025,
    "TRL documentation: GRPO Trainer (defaults of GRPOConfig)",
    "https://huggingface.co/docs/trl/grpo_trainer",
)
GRPO = Source(
    "GRPO paper, 2024",
    "Shao et al.",
    2024,
    "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models",
    arxiv("2402.03300"),
)
RLOO = Source(
    "RLOO paper, 2024",
    "Ahmadian et al.",
    2024,
    "Back to Basics: Revisiting REINFORCE Style Optimization for Learning from Human Feedback in LLMs",
    arxiv("2402.14740"),
)
PPO = Source(
    "PPO paper, 2017",
    "Schulman et al.",
    2017,
    "Proximal Policy Optimization Algorithms",
    arxiv("1707.06347"),
)
ON_POLICY_DISTILLATION = Source(
    "On-Policy Distillation, 2025",
    "Lu and Thinking Machines Lab",
    2025,
    "On-Policy Distillation",
    "https://thinkingmachines.ai/blog/on-policy-distillation/",
)

# Evaluation
JUDGE = Source(
    "LLM-as-a-judge paper, 2023",
    "Zheng et al.",
    2023,
    "Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena",
    arxiv("2306.05685"),
)
BERTSCORE = Source(
    "BERTScore paper, 2019",
    "Zhang et al.",
    2019,
    "BERTScore: Evaluating Text Generation with BERT",
    arxiv("1904.09675"),
)
SACREBLEU = Source(
    "sacreBLEU paper, 2018",
    "Post",
    2018,
    "A Call for Clarity in Reporting BLEU Scores",
    arxiv("1804.08771"),
)
HARNESS = Source(
    "evaluation harness paper, 2024",
    "Biderman et al.",
    2024,
    "Lessons from the Trenches on Reproducible Evaluation of Language Models",
    arxiv("2405.14782"),
)


@cache
def every() -> tuple[Source, ...]:
    """Every source, in the order of this file."""
    return tuple(value for value in globals().values() if isinstance(value, Source))


def named(text: str) -> tuple[Source, ...]:
    """The sources that a text names by their short form, in the order of the text."""
    found = ((match.start(), one) for one in every() if (match := _pattern(one.short).search(text)))
    return tuple(one for _, one in sorted(found, key=lambda pair: pair[0]))


def link(text: str) -> str | None:
    """The address of the first source that a text names; None if it names none that has one."""
    return next((one.link for one in named(text) if one.link), None)


def listed(texts: Iterable[str]) -> tuple[Source, ...]:
    """The sources that several texts name, each once, by their short form."""
    found = {one.short: one for text in texts for one in named(text)}
    return tuple(found[short] for short in sorted(found, key=str.casefold))


def together(*sources: Source | str) -> str:
    """Several sources in one line, as a reason names them."""
    return "; ".join(str(one) for one in sources)


@cache
def _pattern(short: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(short)}(?!\w)")
