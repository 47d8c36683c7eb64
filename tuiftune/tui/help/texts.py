"""What each screen is for, in depth: the text behind `?`. Facts are those of the advice and the plan, with
their sources there."""

from __future__ import annotations

EXPLANATIONS: dict[str, str] = {
    "home": (
        "Every run this machine knows, wherever its directory lies. A run is a directory: preset, plan, "
        "event log, checkpoints and result. Trainings go on when the app is closed, the line drops or the "
        "terminal is killed; come back with `tuiftune watch NAME`."
    ),
    "tour": (
        "Real screens, the built-in data and a run that was recorded: look, nothing you press here changes "
        "anything. Your own draft waits where you left it."
    ),
    "wizard": (
        "Five short steps make a preset: machine, goal, data, model and method, review. Enter takes what is "
        "recommended. Going back loses nothing, and nothing is written before the last step. The wizard is "
        "only an editor: the file it makes can be kept, shared, and run with `tuiftune train`."
    ),
    "machine": (
        "What was found here. Training needs memory on the card more than anything else: weights, "
        "gradients, optimiser states and activations must all fit. Cards from compute capability 8.0 on "
        "calculate in bfloat16, which is both faster and steadier than float16. Without a card the built-in "
        "tiny model trains on the processor in a minute or two; larger models can still be planned for "
        "another card (g in the model step) and the preset taken there."
    ),
    "goal": (
        "Fine-tuning teaches a model how to answer: style, format, a fixed set of labels, the steps of a "
        "task. It is a poor way to teach facts that change: retrieval (RAG) supplies those at the moment of "
        "asking, with sources. Prompting costs nothing to try and comes first. Each answer here moves the "
        "three bars by a weight that is shown; nothing is decided behind your back, and where the guides "
        "disagree you are told."
    ),
    "data": (
        "One file, a folder or a glob: JSON lines, JSON, CSV, Parquet or plain text. The layout is "
        "recognised from the columns: chat (messages), ShareGPT, instruction, prompt and completion, text "
        "and label, or plain text. The checks look for what quietly ruins a run: empty or doubled rows, "
        "rows that will be cut, answers that leak into the evaluation, broken encoding, secrets. A thousand "
        "good rows beat a hundred thousand random ones."
    ),
    "tokens": (
        "Made by the engine's own preprocessing, the one that training uses: what stands here is what is "
        "trained on. Tokens between the marks are learnt: the loss is taken on them alone. The rest is read "
        "and not learnt. If nothing or everything is marked, the template or `loss_on` is wrong. Below, the "
        "text of training beside what will be sent when the model is used: where they differ, the model is "
        "asked in another way than it was taught."
    ),
    "cut": (
        "Rows longer than max_length are cut at their end, and the end is the answer: a model that only sees "
        "answers without their end learns not to stop. A larger value costs memory and time, because the "
        "longest batch must fit. Move the slider and watch all four: rows cut, answer tokens lost, memory, "
        "time and money. Beyond the longest row nothing is gained."
    ),
    "mix": (
        "Other data beside your own, such as general chats against forgetting. Your rows are seen once an "
        "epoch. A weight says how often each row of a source is seen: 0.1 is a tenth of them, 3 is each "
        "three times. A share fixes its part of all rows seen, whatever its size. A temperature settles all "
        "of them by size: shares go with rows^(1/T), so 1 leaves sizes as they are and a large one makes "
        "all alike. Rows whose prompt is held out are never mixed in."
    ),
    "checks": (
        "Everything that was looked at, worst first: errors spoil a run, warnings cost quality, the rest is "
        "worth knowing. Of the marked one you see why it matters, what to do, and its rows; Enter opens them "
        "one by one, with the fault in braces. Where a program can help, f opens the repair with the right "
        "option set (or the slider for max_length), as a preview: nothing is written before Enter there."
    ),
    "rows": (
        "The rows that a check flags, in full and as they will be trained on. What is at fault stands in "
        "braces, as far as it lies in one place; a row that is like an earlier one has that one below it, "
        "with what differs in braces in both."
    ),
    "repair": (
        "What `tuiftune data clean` would do, before it does it: rows that go, with the row that stays in "
        "their place, and rows that are mended, what goes in [- -] and what comes in {+ +}. The rows are "
        "written to a new file beside the old one, with a manifest (hashes of both) and a list of every "
        "change; the original stays as it is. Merging makes one row of those that ask the same: the answer "
        "that most of them give, else the longest; of contradicting labels the majority, and none where they "
        "stand even. The new file then takes the old one's place in this preset; a split also sets what is "
        "measured on."
    ),
    "model": (
        "Full fine-tuning trains every weight. LoRA trains a small pair of matrices beside each linear "
        "layer, close to full quality for a fraction of the memory. QLoRA does that over a base held in 4 "
        "bits: least memory, slower steps. DoRA also learns the size of each weight's direction. The bar "
        "shows what one card must hold, part by part, against what it has. Change a value and the plan is "
        "made again."
    ),
    "prompting": (
        "The cheapest thing that may work: an instruction, and a few of your own rows as examples. The rows "
        "are of ordinary length and as different from one another as possible, an answer that is not shown "
        "yet first. Two files are written: prompt.md, where {input} stands for the request, and "
        "few-shot.jsonl, the same examples as chat messages. Score it on held-out rows: that is what a "
        "tuned model has to beat."
    ),
    "retrieval": (
        "Before building anything: do your documents hold the answers, and do the words of a question find "
        "them? The documents are cut into passages of some 180 words and ranked by BM25, the classic of "
        "search by words. Each question shows the passages it would get. Where the right one is not among "
        "the first five, a better cut or search by meaning is needed before any model is."
    ),
    "cards": (
        "The same run on every card the program knows, as predicted: whether it fits, by which technique, "
        "how long it takes and what it costs at the price table's middle. Several cards of a kind each hold "
        "a copy of everything and share the rows: faster, and no roomier. Taking one changes the plan that "
        "is shown and nothing else; save the preset and run it there."
    ),
    "review": (
        "The preset as it will be saved: YAML with a comment on every line. Values left at `auto` are "
        "settled by the plan on the machine that runs it, so the file can go to another one. The command "
        "below runs exactly this without the app."
    ),
    "dashboard": (
        "A view of the run's event log; it can be closed and opened at any time, by several people at once. "
        "Training loss (dots raw, line smoothed) should fall; evaluation loss (diamonds) is measured on "
        "rows that are never trained on: when it turns up while the training loss falls, the model is "
        "learning its rows by heart, and the star marks the point to keep. The gradient norm should stay "
        "within a small range; spikes mean the learning rate is high. The third line says how healthy it is "
        "and what it costs; every number answers w (why), every panel has a digit. Detaching stops nothing."
    ),
    "replay": (
        "The log played again through the same fold as the live view: every number is what stood there at "
        "that moment. Pauses between a stop and a resume are left out. Charts (v) play along; the cursor and "
        "the magnifier work in them as ever. Of a very long log only the events that shape the curves are "
        "played. The checkpoints shown are those on the disk now."
    ),
    "charts": (
        "Every series of the log. The cursor reads all of them at a step; of a very long run the nearest "
        "point that was kept, with its step. Magnify about the cursor, follow the latest steps, smooth more "
        "where noise hides the course, take the logarithmic scale where the loss fell far. Charts of cards "
        "and host are always along time. Several runs are told apart by the letter on their line, and "
        "aligned by step, time or tokens: by tokens when their batches differ. Memory is what the trainer "
        "measured on the card, beside the dashed line of what the plan predicted."
    ),
    "compare": (
        "Only settings that differ are shown. The star marks the leader of a row, and is left out where the "
        "runs are not comparable. Exact match comes with its 95 % interval (Wilson): where intervals "
        "overlap much, look at the sentence below, McNemar's test on the rows that both answered. Tokens/s "
        "is from the first to the last step, evaluations and checkpoints included."
    ),
    "answering": (
        "A few held-out rows, the same ones all along, answered greedily at each evaluation. Equal answers "
        "in a row are one entry; what differs from the answer before is bright. A tick marks an answer that "
        "equals the reference but for white space; dots at its end say that length or time cut it off. The "
        "rows stay in samples.jsonl in the run's directory; the event log never holds any."
    ),
    "result": (
        "Measured on the held-out rows before and after: loss (lower is better), perplexity (the number of "
        "tokens the model hesitates between), and how many generated answers equal the reference exactly. "
        "The answers side by side are generated, not picked."
    ),
}
