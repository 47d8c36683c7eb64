"""The explanation of each screen behind `?`. The sources of its facts are in `advice` and `plan`."""

from __future__ import annotations

EXPLANATIONS: dict[str, str] = {
    "home": (
        "All runs on this machine. A run is a directory with its preset, plan, event log, checkpoints and "
        "result. Runs continue when you quit the app or your connection drops; return with `tuiftune watch "
        "NAME`."
    ),
    "tour": (
        "The real screens, with built-in data and a recorded run. Nothing you press here changes anything, "
        "and your own draft is kept."
    ),
    "wizard": (
        "Five steps create a preset: machine, goal, data, model and method, review. A preset is one YAML "
        "config file. Enter accepts what is recommended. You can go back at any time, and nothing is written "
        "before the last step. You can edit and share the file, and run it with `tuiftune train`."
    ),
    "machine": (
        "The hardware of this machine. GPU memory limits training most: weights, gradients, optimizer "
        "states and activations must fit. GPUs with compute capability 8.0 or higher support bfloat16, which "
        "is as fast as float16 and more stable. Without a GPU the built-in model trains on the CPU in a "
        "minute or two. You can plan larger models for another GPU (g in the model step) and run the preset "
        "there."
    ),
    "goal": (
        "Fine-tuning changes how a model answers: style, format, a fixed set of labels, the steps of a "
        "task. It is unreliable for adding facts, above all facts that change; retrieval (RAG) finds them in "
        "your documents at question time. A prompt with examples costs least, so try it first. Each answer "
        "changes the three bars by a weight that is shown (v), with its source. Where sources disagree, both "
        "are shown."
    ),
    "data": (
        "One file, several files, a directory or a glob: JSONL, JSON, CSV, Parquet or plain text. The "
        "format is detected from the columns: chat messages, ShareGPT, instruction, prompt and completion, "
        "text and label, or plain text (Ctrl+S changes it). Checks look for problems that reduce quality "
        "without an error message: empty or duplicate rows, truncated answers, evaluation rows in the "
        "training data, broken encoding, secrets. A thousand good rows are better than many random ones."
    ),
    "tokens": (
        "These tokens come from the preprocessing used in training. Tokens between the marks are trained "
        "on: the loss is computed on them. The others are masked: the model sees them as context only. If "
        "no token or all tokens are marked, check the chat template and data.loss_on. Below, the training "
        "text is compared with the prompt sent at inference. If they differ, the model will see input that "
        "it was not trained on."
    ),
    "cut": (
        "Rows longer than max length are truncated at the end, where the answer is. The model then learns "
        "not to stop. A larger value needs more memory and time, because the longest batch must fit. Move "
        "the slider to compare truncated rows, lost answer tokens, memory, time and cost. Values above the "
        "longest row change nothing."
    ),
    "mix": (
        "Other data sources in addition to your own, such as general chats, so that the model keeps its "
        "general skills. Your rows are used once per epoch. A weight is how often each row of a source is "
        "used per epoch: 0.1 uses a tenth of the rows, 3 uses each row three times. A share is the source's "
        "fraction of all rows. A temperature T sets all shares by size, proportional to rows^(1/T): 1 keeps "
        "the sizes, a large value makes the shares equal. Rows whose prompt is in the evaluation set are "
        "never used."
    ),
    "checks": (
        "All checks, worst first. Errors make a run fail or useless, warnings reduce quality, infos are "
        "worth knowing. For the selected check you see why it matters, how to fix it, and its rows. Enter "
        "shows the rows one by one, with the problem in braces. f opens the fix, if tuiftune has one: "
        "cleaning with the right option set, or the max length slider. It is a preview; nothing is written "
        "before you press Enter there."
    ),
    "rows": (
        "The rows that a check flags, in full, as they will be trained on. The problem is in braces if it "
        "is in one place. A near-duplicate is shown with the row that it resembles below it, with the "
        "differences in braces."
    ),
    "repair": (
        "A preview of `tuiftune data clean`: dropped rows, with the row that is kept in their place, and "
        "changed rows, with removed text in [- -] and added text in {+ +}. The clean rows are written to a "
        "new file next to the original, with a manifest (hashes of both files) and a list of every change; "
        "the original is not changed. Merging keeps one of the rows with the same prompt: the one with the "
        "most common answer, else with the longest. For labels the majority wins; if there is none, all are "
        "dropped. This preset then uses the new file; a split also sets the evaluation set."
    ),
    "model": (
        "Full fine-tuning trains all parameters. LoRA trains small adapter matrices for each linear layer, "
        "with nearly the same quality at a fraction of the memory. QLoRA is LoRA on a quantized (4-bit) base "
        "model: least memory, slower. DoRA is LoRA with a separately trained magnitude. The bar shows the "
        "memory of one GPU by component: context is what PyTorch and its libraries take before a model is "
        "loaded, saved activations are kept for the backward pass, head and loss are the scores of all "
        "vocabulary entries, allocator is reserved but unused. When you change a value, the plan is made "
        "again."
    ),
    "prompting": (
        "The cheapest approach: an instruction, and some of your own rows as few-shot examples. The "
        "examples have typical lengths and are as different as possible, with different answers first. Two "
        "files are written: prompt.md, where {input} is replaced by the user's prompt, and few-shot.jsonl, "
        "the same examples as chat messages. Evaluate the prompt on rows that are not in it: a fine-tuned "
        "model has to be better than that."
    ),
    "retrieval": (
        "Check whether your documents contain the answers, and whether a search finds them. The documents "
        "are split into passages of about 180 words and ranked by BM25, the standard word search. For each "
        "question you see the passages that a model would get. If the right passage is not among the first "
        "five, improve the split or use semantic search before you choose a model."
    ),
    "cards": (
        "Predictions for the same run on every known GPU: whether it fits, with which technique, time, and "
        "cost at the middle of the known prices. With several GPUs each holds a full copy of the model (data "
        "parallel): training is faster, but a larger model does not fit. Choosing a GPU changes only this "
        "plan; save the preset and run it there."
    ),
    "review": (
        "A summary of the run, then the preset as it will be saved: YAML with a comment on every line. "
        "Values left at `auto` are resolved by the plan on the machine that runs it, so the same file works "
        "on other machines. The command below starts the same run without the app."
    ),
    "probe": (
        "Short runs with five learning rates around the plan's, on your rows. A run that is clearly behind "
        "after a quarter of its steps is stopped. The bar is the fall of the eval loss, as a share of the "
        "best one. If the runs show no difference, the plan's rate is kept. `tuiftune probe` does the same, "
        "with more seeds and with ranks."
    ),
    "dashboard": (
        "A view of the run's event log. You can close and open it at any time; the run continues. The "
        "training loss (dots; line: smoothed) should fall. The eval loss (diamonds) is measured on the "
        "evaluation set, which is never trained on. If it rises while the training loss falls, the model is "
        "overfitting; the star marks the best evaluation. The gradient norm should stay in a small range; "
        "spikes mean that the learning rate is high. The third line shows health and cost. Press w to "
        "explain any number, a digit to go to a panel."
    ),
    "replay": (
        "A replay of the run's event log: every number is the one shown at that moment. Pauses between a "
        "stop and a resume are skipped. Charts (v) follow the replay, with cursor and zoom. Of a very long "
        "log only the events that shape the curves are replayed. The checkpoints are those on disk now."
    ),
    "charts": (
        "All metrics of the run. The cursor shows their values at a step; for a very long run, at the "
        "nearest recorded step. Zoom around the cursor, follow the latest steps, increase smoothing if the "
        "curve is noisy, use the logarithmic scale if the loss fell far. Charts of GPUs, CPU and RAM always "
        "have time on the X axis. Several runs are marked by letters and aligned by step, time or tokens; "
        "use tokens if their batch sizes differ. Memory is the measured GPU memory; the dashed line is the "
        "plan's prediction."
    ),
    "compare": (
        "Only settings that differ are shown. The star marks the best run of a row; there is none if the "
        "runs are not comparable. Exact match has a 95% confidence interval (Wilson). If intervals overlap, "
        "see the sentence below the table: McNemar's test on the rows that both runs answered. Tokens/s "
        "covers the first to the last step, including evaluations and checkpoints."
    ),
    "answering": (
        "Answers to the same few evaluation rows, generated at each evaluation (greedy decoding). Repeated "
        "equal answers are one entry; words that changed are bright. A check mark means that the answer "
        "equals the reference answer, except for white space. Dots at the end mean that the length or time "
        "limit was reached. The answers are in samples.jsonl in the run's directory, not in the event log."
    ),
    "wrong": (
        "All evaluated rows of the run. First those that the fine-tuned model answers wrongly; s also shows "
        "rows that were right before training, rows that are right now, or all. If the answers are labels, "
        "the arrows show one label at a time. Columns b and a: right before, right after. An answer is right "
        "if it equals the reference answer, except for white space."
    ),
    "labels": (
        "Precision is the share of rows given a label that have it; recall is the share of rows with a label "
        "that were given it; F1 is their harmonic mean. In the confusion matrix, a row is a reference label "
        "and a column is the label that the model answered, by its number; the diagonal is right."
    ),
    "decide": (
        "Every contender answers the same evaluation rows: the model as it is, with few-shot examples, with "
        "retrieved passages (RAG), classifiers where answers are labels, and the fine-tuned model of a run. "
        "Bars are solid up to the low end of the 95% confidence interval, and a line up to its high end. The "
        "decision is the simplest contender that the rows cannot tell from the best. `tuiftune decide` "
        "measures the same, with documents, endpoints and prices."
    ),
    "blind": (
        "Two answers to an evaluation row, one of the base model and one of the fine-tuned model, in "
        "shuffled order. Which is which is never shown: judge the text alone. Each vote is kept at once, so "
        "you can stop and continue at any row. `tuiftune review RUN --preferences FILE` writes the votes as "
        "preference rows."
    ),
    "export": (
        "Writes the model in the form that another program loads, then answers the evaluation rows from the "
        "written files and compares with the run: exact match, same answers, KL divergence, prompts and stop "
        "tokens. A target marked with a cross cannot hold this run's model; one marked with a triangle needs "
        "a package or program that is not installed. The lines below the list say why. Exports are in "
        "exports/ in the run's directory. `tuiftune export` does the same."
    ),
    "result": (
        "Scores on the evaluation set before and after training: eval loss (lower is better), perplexity "
        "(the exponential of the loss: 1 is best), and exact match (the share of generated answers equal to "
        "the reference answer). The sample answers below are the first ones, not selected."
    ),
    "chat": (
        "Every model answers the same conversation; the base model of an adapter is that model with the "
        "adapter switched off. The prompt is rendered, reasoning is stripped and generation stops as in "
        "evaluation. A vote (F5, F6) keeps the better answer and adds a preference row (prompt, chosen, "
        "rejected) that a preference stage can train on; without a vote the first model's answer is kept. "
        "History and rows are in result/chat of the run."
    ),
}
