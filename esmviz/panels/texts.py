"""The words under the figures: how to read each one, at most 80 words, with one citation and its DOI."""

from esmviz.types import Predictor, Statistic

ENTROPY = (
    "Each bar is one residue. At 0 bits the model is certain of the amino acid; at 4.32 bits all twenty are equally "
    "likely to it. 1, 2, 3 and 4 bits mean about 2, 4, 8 and 16 equally likely residues. Low entropy often marks "
    "conserved residues: active sites, glycines in turns, disulphide cysteines. It says what the model has learnt, "
    "not what was measured.",
    "Lin et al. 2023, Science 379:1123.",
    "10.1126/science.ade2574",
)
SIMILARITY = (
    "A bright cell means that the model represents the two residues alike: the same amino acid, the same kind of "
    "secondary structure or the same place in a repeat. Neighbours are alike by nature, so look away from the "
    "diagonal. Raw cosines are all high, since residues of one protein share a common part; subtracting the mean "
    "residue removes it. A high value does not prove contact or homology.",
    "Mu & Viswanath 2018, ICLR (centring); Rives et al. 2021, PNAS 118:e2016239118 (residue vectors).",
    "10.1073/pnas.2016239118",
)
ATTENTION = (
    "Row i shows where residue i looks. Diagonal bands mean neighbours along the chain; vertical lines mean a residue "
    "that many look at; spots off the diagonal can be contacts in the fold, in some heads. Part of the attention "
    "goes to the hidden start and end tokens, so rows do not sum to 1. Attention shows what the model combines, "
    "not why.",
    "Vig et al. 2021, ICLR, BERTology meets biology.",
    "10.48550/arXiv.2006.15222",
)
SYMMETRIC = (
    "Each cell is the mean of what two residues give each other, in both directions: the map is its own mirror image, and "
    "rows are no shares any more. Bands along the diagonal mean neighbours in the chain; bright lines mean a residue "
    "that many look at; spots off the diagonal can be contacts in the fold, in some heads. Attention shows what the "
    "model combines, not why.",
    "Vig et al. 2021, ICLR, BERTology meets biology.",
    "10.48550/arXiv.2006.15222",
)
MAXIMUM = (
    "Each cell is the largest attention that any of the heads pays from residue i (row) to residue j (column): a bright "
    "cell says that some head looks there, not which. A row adds up to more than 1, so it is no share. Vertical lines "
    "mean a residue that some head always looks at. Attention shows what the model combines, not why.",
    "Vig et al. 2021, ICLR, BERTology meets biology.",
    "10.48550/arXiv.2006.15222",
)
CORRECTED = (
    "The average product correction subtracts what a residue shares with all others, so that a few bright columns do "
    "not hide the pairs that stand out. Values can be negative: red is less, blue more than the two residues' averages "
    "predict. Strong pairs far apart in sequence are candidates for contacts.",
    "Dunn et al. 2008, Bioinformatics 24:333.",
    "10.1093/bioinformatics/btm604",
)
GRID = (
    "Each tile is one head, drawn as means over blocks of residues and scaled to its own brightest cells. "
    "Early layers often look at neighbours or at one kind of amino acid; heads with spots far off the diagonal can "
    "follow contacts. The table ranks heads by how far along the chain, on average, a residue and what it attends to "
    "are apart: 1 is the next one.",
    "Vig & Belinkov 2019, BlackboxNLP (mean attention distance).",
    "10.18653/v1/W19-4808",
)
HEADS = (
    "Each cell is one head. Entropy and shares are means over the residues, the distance over all pairs, "
    "weighted by attention. Entropy says how sharply a residue looks: 0 "
    "bits is one place, every bit more doubles the places. Shares say where: far along the chain, or at the hidden "
    "start and end tokens, where many heads rest. A number for a head describes this "
    "protein; compare several before naming a head's role.",
    "Clark et al. 2019, BlackboxNLP (entropy, special tokens); Vig & Belinkov 2019 (distance).",
    "10.18653/v1/W19-4828",
)
ROLLOUT = (
    "Row i shows from which residues the state of residue i was put together, as far as attention tells: the layers' "
    "maps, averaged over heads, multiplied, each half replaced by the residual connection. Vertical lines are residues "
    "that all others take from. The half is an assumption, and values and feed-forward layers are left out, so read it "
    "as a trace, not as importance. Rows lack what came from the hidden start and end tokens.",
    "Abnar & Zuidema 2020, ACL, Quantifying attention flow in transformers.",
    "10.18653/v1/2020.acl-main.385",
)
CONTACTS = (
    "A dark cell is a pair that the model's own logistic regression on its attention takes for a contact: C-beta atoms "
    "within 8 Å. Parallel bands beside the diagonal are helices, bands across it are beta strands. Pairs nearer in "
    "sequence than the slider says are left out of the list.",
    "Rao et al. 2021, ICLR, Transformer protein language models are unsupervised structure learners.",
    "10.1101/2020.12.15.422761",
)
MUTATIONS = (
    "Each cell compares a mutant with the wild type: log p(mutant) − log p(wild type). Red is less likely than the "
    "wild type, often damaging; blue is favoured. A red column is a position that tolerates little. Wild-type marginals "
    "take one pass with the wild type visible; masked marginals hide each position in turn and are slower. The two are "
    "not on one scale.",
    "Meier et al. 2021, NeurIPS.",
    "10.1101/2021.07.09.450648",
)
PROBABILITIES = (
    "Each column sums to 1 over the twenty amino acids: what the model would put there. "
    "The wild type is dotted. A column that is spread out leaves the choice open; a column with one bright cell other "
    "than the dot is a position where the model expects another residue.",
    "Lin et al. 2023, Science 379:1123.",
    "10.1126/science.ade2574",
)
WILD_TYPE = (
    "Each bar is how likely the model finds the residue that is there, as a natural logarithm: 0 is certain, −3 is the "
    "chance of one in twenty. The rank in the hover is its place among the twenty. Deep bars are residues that the model "
    "did not expect: unusual, functional, or simply outside what it learnt.",
    "Meier et al. 2021, NeurIPS.",
    "10.1101/2021.07.09.450648",
)
CLUSTERS = (
    "Each point is a protein; near points have similar vectors. Only neighbourhoods mean something: distances between "
    "far groups, their sizes and the axes do not. Another seed or number of neighbours gives another picture, so "
    "believe what stays. The groups are found in the original vectors, not on the map.",
    "McInnes et al. 2018, UMAP.",
    "10.48550/arXiv.1802.03426",
)
PRINCIPAL = (
    "Each point is a protein; the axes are the two directions in which the vectors differ most, and the caption says how "
    "much of the variance they show. Distances on the map are those of the vectors, as far as these two directions tell: "
    "what lies together here may differ in others. The groups are found in the original vectors, not on the map.",
    "Pearson 1901, Philosophical Magazine 2:559.",
    "10.1080/14786440109462720",
)
GROUPINGS = {
    "hdbscan": "Groups: HDBSCAN (Campello et al. 2013), two or more of them or none at all.",
    "kmeans": "Groups: k-means (Lloyd 1982), as many as were asked for.",
}
WINDOWS = (
    "This protein was read in overlapping windows, drawn as dashed lines or squares. Where two overlap, the one in which "
    "a residue is farther from the edge counts more. No value knows of residues outside its windows "
    "([Brandes et al. 2023](https://doi.org/10.1038/s41588-023-01465-0))."
)
MASKED_WINDOWS = (
    "This protein was read in overlapping windows, drawn as dashed lines or squares. Each position was hidden in the one "
    "window in which it is nearest to the middle, and predicted from the rest of that window."
)
PREDICTIONS = (
    "These are the answers of the classifier that you brought, trained by whoever made it: esmviz adds nothing to them. "
    "With one label, the probabilities sum to 1; with several, each class stands alone. Such probabilities are often too "
    "sure: 0.9 need not mean nine right out of ten, least for proteins unlike those it was trained on. A class that it "
    "never learnt cannot be predicted.",
    "Guo et al. 2017, ICML, On calibration of modern neural networks.",
    "10.48550/arXiv.1706.04599",
)
REGRESSION = (
    "These are the numbers of the regression that you brought, in the units of the measurements it was trained with: "
    "esmviz adds nothing to them and cannot say how far they are off. Compare proteins with each other rather than with "
    "a threshold, and be careful with proteins unlike those it was trained on.",
    "Hie et al. 2020, Cell Systems 11:461.",
    "10.1016/j.cels.2020.09.007",
)
FOLD = (
    "pLDDT is how sure the model is of each residue's surroundings, from 0 to 100. Above 90 side chains can be trusted, "
    "above 70 the backbone; below 50 the ribbon means nothing and the residue is often disordered. The map of aligned "
    "errors says whether two parts lie rightly towards each other: green is a few Å, pale is not known. Both are the "
    "model's own opinion, not a measurement.",
    "Jumper et al. 2021, Nature 596:583 (pLDDT, PAE); Lin et al. 2023, Science 379:1123 (ESMFold).",
    "10.1038/s41586-021-03819-2",
)
PAINTED = (
    "The ribbon is the uploaded structure; its colour is a number of the chosen model for the chosen protein, on every "
    "chain that is this protein. Low entropy marks residues that the model would not exchange; residues that receive "
    "much attention are those it looks at from elsewhere. Grey is no part of the protein, or has no number. Residue "
    "numbers are the file's own; the table names both.",
    "Vig et al. 2021, ICLR, BERTology meets biology.",
    "10.48550/arXiv.2006.15222",
)
EXPECTATION = {"probabilities": PROBABILITIES, "entropy": ENTROPY, "wild type": WILD_TYPE}

STATISTICS: dict[Statistic, str] = {
    "distance": "mean distance (residues)",
    "entropy": "mean entropy (bits)",
    "separated": "share on residues 6 or more apart",
    "long_range": "share on residues 24 or more apart",
    "start": "share on the start token",
    "end": "share on the end token",
}

MEASURE = (
    "Speed is residues embedded in a second: one pass over the proteins, after a single one to warm up. Other work on "
    "the machine slows it. Memory is the weights and the most that the pass took on top. Pseudo-perplexity hides single "
    "residues, drawn at random and the same for every model, and asks how surprised the model is by the true one: 1 is "
    "certain, 20 is blind guessing. Relatives of proteins in training look easy.",
    "Salazar et al. 2020, ACL (pseudo-perplexity).",
    "10.18653/v1/2020.acl-main.240",
)

NO_EFFECTS = (
    "{title} does not predict mutation effects: on measured variants it does not reliably beat a substitution table. "
    "Read this map as the model's taste. For decisions choose {better} on the Models page."
)
MOSTLY_NOISE = (
    "More than half are noise: no group is dense enough to take them in. A smaller *Smallest group* leaves fewer, "
    "*k-means* none."
)
OF_ALL = "Of all {n:,} residues, whether the map shows them at the moment or not."
BEYOND_TRAINING = (
    "{title} was trained on stretches of up to {longest:,} residues, and {id} has {n:,}. What it shows between "
    "residues farther apart, such as lines beside the diagonal of a map, can be an artefact: compare with a model trained "
    "on longer ones."
)
PREDICTS = (
    " This page is for models that somebody trained further to answer a question: where in the cell a protein goes, how "
    "much heat it stands, which of its residues are helix or bind a metal. It draws their answers for one protein, for all "
    "of the set, or along the sequence."
)
BRING_A_PREDICTOR = (
    "**Bring your own.** Set `ESMVIZ_MODELS_DIR` to a folder and put the model into a folder of its own inside it, as "
    "`save_pretrained` writes `EsmForSequenceClassification` or `EsmcForSequenceClassification` (an answer for each "
    "protein), `EsmForTokenClassification` or `EsmcForTokenClassification` (one for each residue). The names of the "
    "classes come from `id2label` in its `config.json`; `problem_type` there says whether one label holds, several may, "
    "or the answer is a number. It then stands in the list of models under its folder's name."
)
CENTRE_TIP = "Residue vectors of one protein share a large common part; without it, the differences show."
RANGE_TIP = "Off: from 0 to the 99.5th percentile of this map. On: the same colours for every map, dark for long proteins."
SCHEME_TIP = "Wild-type marginals: one pass. Masked marginals: each position hidden in turn, as many passes as residues."
POOLING_TIP = "mean and max run over the residues; bos is the vector of the hidden start token."


def share_lost(share: float) -> str:
    """How much of the attention is not in the map.

    >>> share_lost(0.257)
    '26% of the attention goes to the start and end tokens'
    """
    return f"{share:.0%} of the attention goes to the start and end tokens"


def other_in_windows(identifier: str, windows: str) -> str:
    """Of the protein that is compared with, as the provenance is the first one's.

    >>> other_in_windows("P2", "2 windows of 1022 residues, overlap 565")
    'P2 in 2 windows of 1022 residues, overlap 565'
    """
    return f"{identifier} in {windows}" if windows else ""


def share_from_ends(share: float) -> str:
    """How much of a rollout is not in the map.

    >>> share_from_ends(0.257)
    '26% comes from the start and end tokens'
    """
    return f"{share:.0%} comes from the start and end tokens"


def of_predictor(predictor: Predictor) -> tuple[str, str, str]:
    """How to read its numbers."""
    return REGRESSION if predictor.problem == "regression" else PREDICTIONS


def assumed_problem(predictor: Predictor) -> str:
    """What is taken for granted where the checkpoint's config does not say.

    >>> assumed_problem(Predictor("proteins", "regression", ("LABEL_0",), is_assumed=True))
    'Its config.json names no problem_type. With one class it is taken for a regression.'
    """
    n = len(predictor.classes)
    rest = (
        "one class it is taken for a regression" if n == 1 else f"{n} classes it is taken for one label each"
    )
    return f"Its config.json names no problem_type. With {rest}."
