import pathlib
import re
import shlex

import pytest

import args
import moot_options
from errors import UserError
from search_spaces import macro, micro

JOBS = [(space, job) for space in args.SPACES for job in args.BOTH]


@pytest.mark.parametrize("space, job, preset", [(space, job, preset) for space, job in JOBS for preset in args.presets_of(space)])
def test_every_option_has_a_default_under_every_preset(space, job, preset):
    config = args.parse(space, job, ["--preset", preset])
    wanted = {option.key for options in args.options_of(space, job).values() for option in options}
    assert set(config.options()) == wanted


def test_the_authors_values():
    """The table of the authors' scripts; their L2 term has no 1/2, so the decay is twice theirs."""
    search, final = args.parse("macro", "search", []), args.parse("macro", "retrain", [])
    assert (search.batch_size, search.max_search_iter, search.num_layers, search.output_filter) == (128, 310, 12, 36)
    assert (search.weight_decay, search.keep_prob, search.child_lr, search.child_lr_min) == (5e-4, 0.9, 0.05, 0.0005)
    assert (search.controller_steps, search.num_candidate, search.control_lr, search.entropy_weight) == (50, 20, 0.001, 1e-4)
    assert (search.tanh_constant, search.skip_prob, search.skip_weight, search.baseline_decay) == (1.5, 0.4, 0.8, 0.99)
    assert (final.batch_size, final.epoch_on_retrain, final.weight_decay, final.keep_prob) == (100, 310, 4e-4, 0.5)
    assert final.output_filter + final.additional_filters_on_retrain == 96 and final.child_lr_min == 0.001
    search, final = args.parse("micro", "search", []), args.parse("micro", "retrain", [])
    assert (search.batch_size, search.max_search_iter, search.num_cells, search.output_filter) == (160, 150, 6, 20)
    assert (search.controller_steps, search.num_candidate, search.control_lr) == (30, 10, 0.0035)
    assert (search.tanh_constant, search.op_tanh_reduce, search.weight_decay) == (1.1, 2.5, 2e-4)
    assert (final.batch_size, final.epoch_on_retrain, final.num_cells, final.keep_prob) == (144, 630, 15, 0.8)
    assert (final.drop_path_keep_prob, final.auxiliary_head, final.auxiliary_weight) == (0.6, True, 0.4)
    assert final.output_filter + final.additional_filters_on_retrain == 36 and final.child_lr_min == 0.0001


def test_the_authors_values_of_the_language_model():
    """Those of their corrected code; its decay 8e-7 * sum w^2 has the gradient 1.6e-6 w."""
    search, final = args.parse("recurrent", "search", []), args.parse("recurrent", "retrain", [])
    sizes = ("hidden_size", "batch_size", "bptt", "init_range", "grad_clip_value", "child_lr", "alpha", "beta", "weight_decay")
    assert [getattr(search, name) for name in sizes] == [200, 128, 35, 0.04, 0.1, 20, 0, 1, 1.6e-6]
    assert [getattr(final, name) for name in sizes] == [800, 64, 35, 0.05, 0.25, 20, 0.7, 0, 1.6e-6]
    places = ("drop_e", "drop_i", "drop_x", "drop_l", "drop_o")
    assert [getattr(search, name) for name in places] == [0.1, 0.2, 0.75, 0.25, 0.75]
    assert [getattr(final, name) for name in places] == [0.125, 0.175, 0.725, 0.225, 0.75]
    assert (search.max_search_iter, search.epoch_per_search, final.epoch_on_retrain, search.num_nodes) == (600, 1, 3000, 9)
    assert (search.lstm_size, search.lstm_layers, search.temperature, search.tanh_constant) == (64, 1, 5, 2.25)
    assert (search.controller_steps, search.num_candidate, search.control_lr, search.val_iter) == (25, 10, 5e-5, 1)
    assert (search.baseline_decay, search.entropy_weight) == (0.999, 1e-5)


def test_the_example_knows_no_language_model():
    with pytest.raises(UserError, match="--preset: .nnabla-example. is not one of enas, authors-2018, evening, quick; --"):
        args.parse("recurrent", "search", ["--preset", "nnabla-example"])


@pytest.mark.parametrize(
    "text, value", [("True", True), ("true", True), ("1", True), ("False", False), ("no", False), (None, True)]
)
def test_booleans_mean_what_they_say(text, value):
    command = ["--sampling-only"] + ([text] if text else [])
    assert args.parse("macro", "search", command).sampling_only is value


def test_short_forms_and_both_spellings():
    config = args.parse("macro", "search", shlex.split("-c cpu -d 1 -i 7 -C 3 -b 8 -e 4 -g 2 -w 0 -clr 0.2 -j 9 -m here"))
    assert (config.context, config.device_id, config.max_search_iter, config.num_candidate) == ("cpu", "1", 7, 3)
    assert (config.batch_size, config.epoch_per_search, config.grad_clip_value, config.weight_decay) == (8, 4, 2.0, 0.0)
    assert (config.child_lr, config.val_iter, config.monitor_path) == (0.2, 9, "here")
    for spelling in ("--monitor-save-path", "--model-save-path", "-o"):
        assert args.parse("macro", "retrain", [spelling, "there"]).monitor_save_path == "there"
    for spelling in ("--additional-filters-on-retrain", "--additional_filters_on_retrain", "-f"):
        assert args.parse("macro", "retrain", [spelling, "10"]).additional_filters_on_retrain == 10


def test_one_command_line_serves_both_jobs():
    command = shlex.split("-c cpu --max-search-iter 3 --epoch-on-retrain 4 --num-candidate 5 -r 6")
    assert args.parse("macro", "search", command).max_search_iter == 3
    assert args.parse("macro", "retrain", command).epoch_on_retrain == 6


@pytest.mark.parametrize("space, job", JOBS)
def test_none_is_taken_where_it_is_a_default_or_the_help_offers_it(space, job):
    offered = set()
    for option in (option for options in args.options_of(space, job).values() for option in options):
        defaults = [option.default_for(preset, space, job) for preset in args.presets_of(space)]
        if None in defaults or "None" in option.help:
            offered.add(option.name)
            found = getattr(args.parse(space, job, [option.name, "None"]), option.key)
            assert found is None or (option.name, found) == ("--monitor-path", f"tmp.{space}_enas")
    assert {"--cpu-threads", "--context", "--train-size"} <= offered
    assert job == "retrain" or {"--tanh-constant", "--temperature", "--entropy-weight"} <= offered


def test_none_is_no_size():
    for space, option in (("macro", "--num-layers"), ("micro", "--num-nodes"), ("recurrent", "--hidden-size")):
        with pytest.raises(UserError, match=f"{option}: expected a whole number, found 'None'"):
            args.parse(space, "search", [option, "None"])
        assert args.parse(space, "retrain", ["--num-candidate", "3"]).notes


@pytest.mark.parametrize(
    "space, job, command, named",
    [
        ("macro", "retrain", "--max-search-iter 3 -C 4", "--max-search-iter (for the search), --num-candidate (for the search)"),
        ("macro", "search", "--cutout 16", "--cutout (for retraining)"),
        ("macro", "search", "--use-sparse", "--use-sparse"),
        ("micro", "search", "--controller random --op-prior none", "--op-prior (with --controller random)"),
        ("macro", "search", "--controller random -C 4 -j 2", "--val-iter (with --controller random), "
         "--num-candidate (with --controller random)"),
        ("micro", "search", "--schedule best-candidate --num-derive 3", "--num-derive (with --schedule best-candidate)"),
        ("micro", "retrain", "--auxiliary-weight 1 --auxiliary-head no", "--auxiliary-weight (with --auxiliary-head False)"),
        ("macro", "search", "--sampling-only -m run -i 3 --preset quick --lstm-size 8 --seed 2", "--preset "
         "(with --sampling-only), --max-search-iter (with --sampling-only)"),
        ("macro", "search", "--num-sampling 3", "--num-sampling (with --sampling-only False)"),
        ("macro", "retrain", "-g 3 --with-grad-clip-on-retrain no", "--grad-clip-value (with --with-grad-clip-on-retrain False)"),
        ("recurrent", "search", "-c cpu -d 1 --lr-decay-start 3", "--device-id (with --context cpu), "
         "--lr-decay-start (with --lr-decay 1)"),
    ],
)  # fmt: skip
def test_options_without_effect_are_named_in_one_line(space, job, command, named):
    assert args.parse(space, job, command.split()).notes == (f"without effect here: {named}",)


@pytest.mark.parametrize("command", ["", "--num-sampling 3 --sampling-only", "--seed 1 --lstm-size 8 --skip-prob 0.3 -g 3",
                                     "--controller random --schedule best-candidate -C 4 -j 2"])  # fmt: skip
def test_options_with_an_effect_are_not_named(command):
    assert args.parse("macro", "search", command.split()).notes == ()


def test_the_table_of_options_without_effect_names_options():
    keys = {option.key for options in args.OPTIONS.values() for option in options}
    conditions = [*moot_options.MOOT, *(pair for pairs in moot_options.MOOT_TOGETHER for pair in pairs)]
    assert {cause for cause, _ in conditions} <= keys
    moot = [*moot_options.MOOT.values(), *moot_options.MOOT_TOGETHER.values()]
    assert {key for keys_of_one in moot for key in keys_of_one} | set(moot_options.NEVER) <= keys


@pytest.mark.parametrize(
    "space, job, command, message",
    [
        ("macro", "retrain", "--max-search-iter foo", "--max-search-iter/-i: expected a whole number, found 'foo'"),
        ("macro", "retrain", "--max-search-iter 0", "--max-search-iter must be at least 1, found 0"),
        ("macro", "retrain", "--schedule never", "'never' is not one of alternating, best-candidate"),
        ("macro", "retrain", "--num-layers None --lstm-size None", "--lstm-size: expected a whole number, found 'None'"),
        ("macro", "retrain", "--max-search-iter", "expected one argument"),
        ("micro", "search", "--cutout -1", "--cutout must be at least 0"),
        ("recurrent", "search", "--average-weights maybe", "expected True or False, found 'maybe'"),
        ("recurrent", "retrain", "--baseline-decay 2", "--baseline-decay must be at most 1"),
    ],
)
def test_the_values_of_the_other_jobs_options_are_checked(space, job, command, message):
    with pytest.raises(UserError, match=message):
        args.parse(space, job, command.split())


@pytest.mark.parametrize(
    "command, message",
    [
        ("--output-fiter 8", "unknown option --output-fiter (did you mean --output-filter?)"),
        ("--output-fiter=8", "unknown option --output-fiter (did you mean --output-filter?)"),
        ("--batch_size 8", "unknown option --batch_size (did you mean --batch-size?)"),
        ("--Seed 8", "unknown option --Seed (did you mean --seed?)"),
        ("--num-cell 3", "unknown option --num-cell (did you mean --num-"),
        ("--num-cells 3", "unknown option --num-cells; it belongs to the micro space"),
        ("--hidden-size 3", "unknown option --hidden-size; it belongs to the recurrent space"),
        ("--xyzzy 3", "unknown option --xyzzy;"),
        ("--preset qiuck", "'qiuck' is not one of enas, nnabla-example, evening, short, quick "
         "(did you mean quick?)"),
        ("--controller LSTM", "'LSTM' is not one of lstm, random (did you mean lstm?)"),
        ("--dataset cifar", "(did you mean cifar10?)"),
        ("-c cuda", "(did you mean cudnn?); take cudnn for a GPU"),
        ("-c cuda.cudnn", "(did you mean cudnn?); take cudnn for a GPU"),
        ("-c cpu:float", "not one of cpu, cudnn; take cudnn for a GPU (NNabla's plain cuda is not used here) and cpu for the"),
        ("-c dali", "take cudnn for a GPU"),
        ("--train-size abc", "--train-size: expected a whole number or None, found 'abc'"),
        ("--train-size 1e3", "--train-size: expected a whole number or None, found '1e3'"),
        ("--child-lr fast", "--child-lr/-clr: expected a number, found 'fast'"),
        ("3", "unexpected argument '3'; quote values that contain blanks"),
        ("--seed " + "x" * 300, "..."),
    ],
)
def test_a_misspelt_option_or_value_gets_the_nearest_word(command, message):
    with pytest.raises(UserError) as caught:
        args.parse("macro", "search", command.split())
    assert message in str(caught.value) and "lambda" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "command, found",
    [
        ("--num-layers 2", "at least 3, found 2"),
        ("--output-filter 7", "even, found 7"),
        ("--bogus 1", "--bogus"),
        ("--child-lr nan", "finite"),
        ("--child-lr 0", "greater than 0"),
        ("--child-lr-min 0.2", "must not exceed --child-lr"),
        ("--early-stop-over 1.5", "at most 1"),
        ("--sampling-only maybe", "expected True or False, found 'maybe'"),
        ("--context gpu", "cpu"),
        ("--state-size 3", "must equal --lstm-size"),
        ("--batch-size few", "few"),
        ("--seed -1", "at least 0"),
        ("--skip-prob 1", "less than 1"),
        ("--preset mine", "mine"),
    ],
)
def test_a_wrong_value_is_told_with_what_was_found(command, found):
    with pytest.raises(UserError, match=found):
        args.parse("macro", "search", command.split())


@pytest.mark.parametrize("unread", ["--lr-control-on-search False", "--sampling-only --monitor-path here"])
def test_a_lowest_rate_that_nothing_reads_may_exceed_the_highest(unread):
    assert args.parse("macro", "search", f"--child-lr 0.0001 {unread}".split()).child_lr == 0.0001


def test_micro_has_five_operations():
    with pytest.raises(UserError, match="at most 5 in the micro space, found 6"):
        args.parse("micro", "search", ["--num-ops", "6"])
    with pytest.raises(UserError, match="at most 6 in the macro space, found 7"):
        args.parse("macro", "search", ["--num-ops", "7"])


def test_the_operations_that_may_be_chosen():
    assert args.parse("macro", "search", []).operations == macro.OPERATIONS
    assert args.parse("macro", "search", ["--num-ops", "2"]).operations == ("conv3x3", "conv5x5")
    config = args.parse("macro", "search", ["--ops", "max_pool3x3, sepconv5x5,conv3x3"])
    assert config.operations == ("conv3x3", "sepconv5x5", "max_pool3x3") and config.ops == "conv3x3,sepconv5x5,max_pool3x3"
    assert args.parse("micro", "search", ["--ops=identity"]).operations == ("identity",)
    assert args.parse("recurrent", "search", []).operations == ()
    assert args.parse("micro", "search", ["--ops", "None"]).operations == micro.OPERATIONS
    assert args.parse("macro", "search", ["--preset=evening"]).ops == "conv3x3,conv5x5,max_pool3x3,average_pool3x3"
    assert args.parse("macro", "search", ["--preset=evening", "--num-ops=2"]).operations == ("conv3x3", "conv5x5")
    assert args.parse("macro", "search", ["--preset=evening", "--ops=None"]).operations == macro.OPERATIONS


@pytest.mark.parametrize("space, job, command, message", [
    ("macro", "search", "--ops conv3", r"--ops: 'conv3' is not one of conv3x3, .* \(did you mean conv3x3\?\)"),
    ("macro", "search", "--ops=", "--ops: '' is not one of"),
    ("micro", "search", "--ops identity,identity", "--ops names identity twice"),
    ("micro", "search", "--ops conv3x3", "'conv3x3' is not one of sepconv3x3"),
    ("macro", "retrain", "--ops conv3", "--ops: 'conv3' is not one of conv3x3"),
    ("macro", "search", "--ops conv3x3 --num-ops 1", "leave --num-ops out"),
    ("recurrent", "search", "--ops tanh", "unknown option --ops; it belongs to the"),
])
def test_wrong_operations(space, job, command, message):
    with pytest.raises(UserError, match=message):
        args.parse(space, job, command.split())


def test_options_are_frozen():
    with pytest.raises(AttributeError):
        args.parse("macro", "search", []).seed = 1


def help_of(space, job, flag, capsys):
    with pytest.raises(SystemExit) as end:
        args.parse(space, job, [flag])
    assert end.value.code == 0
    return capsys.readouterr().out


def told(text):
    """The options that a help describes, each at the beginning of a line."""
    return re.findall(r"^  (--[\w-]+)", text, re.MULTILINE)


@pytest.mark.parametrize("space, job", JOBS)
def test_help_all_shows_each_option_once(space, job, capsys):
    text = help_of(space, job, "--help-all", capsys)
    assert sorted(told(text)) == sorted(option.name for options in args.options_of(space, job).values() for option in options)


@pytest.mark.parametrize("space, job", JOBS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_shows_ten_options_and_two_examples_that_can_be_parsed(space, job, flag, capsys):
    text = help_of(space, job, flag, capsys)
    assert len(told(text)) == 10 and "--help-all lists all options" in " ".join(text.split())
    examples = re.findall(r"^  python (\w+)\.py (.*?) *#", text, re.MULTILINE)
    assert len(examples) == 2
    for script, words in examples:
        assert (pathlib.Path(args.__file__).parent / f"{script}.py").exists()
        assert args.parse(space, job, words.split()).notes == ()


@pytest.mark.parametrize("columns", [60, 80, 132])
@pytest.mark.parametrize("flag", ["--help", "--help-all"])
def test_help_is_as_wide_as_the_terminal(columns, flag, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = help_of("macro", "search", flag, capsys).splitlines()
    widest = max(len(line) for line in lines if not line.startswith("  python ") and not line.startswith("  --"))
    assert columns - 20 <= widest < columns


def test_help_tells_the_defaults_of_each_preset(capsys):
    text = " ".join(help_of("macro", "search", "--help-all", capsys).split())
    assert "[310; nnabla-example 350; evening 10; short 12; quick 6]" in text and "--seed N random seed" in text


@pytest.mark.parametrize(
    "space, job, command, folder",
    [
        ("macro", "search", "", "tmp.macro_monitor"),
        ("micro", "retrain", "--seed 3", "tmp.micro_monitor"),
        ("macro", "search", "--preset nnabla-example -i 3", "tmp.macro_monitor"),
        ("macro", "search", "--preset quick", "tmp.macro_quick"),
        ("macro", "search", "--preset quick --seed 0 -c cpu --quiet --recommended-arch a.json", "tmp.macro_quick"),
        ("macro", "retrain", "--preset quick", "tmp.macro_quick"),
        ("macro", "search", "--preset quick --controller random --seed 1", "tmp.macro_quick_seed-1_controller-random"),
        ("micro", "retrain", "--preset evening --recommended-arch enas-micro", "tmp.micro_evening_architecture-enas-micro"),
        ("recurrent", "search", "", "tmp.recurrent_enas"),
        ("recurrent", "search", "--preset quick -m None", "tmp.recurrent_quick"),
        ("macro", "search", "--preset quick --seed 1 --sampling-only --num-sampling 3", "tmp.macro_quick_seed-1"),
        ("macro", "search", "--preset quick -m here", "here"),
    ],
)
def test_every_run_that_the_example_does_not_have_gets_a_place_of_its_own(space, job, command, folder):
    assert args.parse(space, job, command.split()).monitor_path == folder


def test_places_with_many_options_or_long_values_differ():
    commands = ["--seed 1 -i 2 -e 3 -C 4", "--seed 1 -i 2 -e 3 -C 5", "--data-dir /a/b", "--data-dir /a/c", "--seed 1 -i 2 -e 3"]
    places = [args.parse("macro", "search", ["--preset", "short", *command.split()]).monitor_path for command in commands]
    assert len(set(places)) == len(places)
    assert all(re.fullmatch(r"tmp\.macro_short(_[a-z-]+-[\w.]+|_\w+)+", place) and len(place) < 100 for place in places), places
    assert not args.parse("macro", "search", ["--preset=short", "--seed=1", "--sampling-only"]).notes


@pytest.mark.parametrize("script", ["macro_search", "micro_retrain", "ptb_retrain"])
def test_examples_of_the_help_fit_a_narrow_terminal(script, monkeypatch, capsys):
    space, job = {"ptb": "recurrent"}.get(script[:3], script[:5]), script.rpartition("_")[2]
    monkeypatch.setenv("COLUMNS", "62")
    with pytest.raises(SystemExit):
        args.parse(space, job, ["--help"])
    lines = capsys.readouterr().out.splitlines()
    examples = [line for line in lines if line.startswith((f"  python {script}.py", "  #"))]
    assert len(examples) == 4 and max(map(len, examples)) <= 60
