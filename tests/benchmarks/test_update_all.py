from benchmarks import update_all


def test_both_forms_take_the_same_steps(monkeypatch):
    monkeypatch.setattr(update_all, "WARM_UP", 1)
    seconds = update_all.measure("macro", 2, "2")
    assert {update: len(times) for update, times in seconds.items()} == {"used": 2, "all": 2}
    assert min(map(min, seconds.values())) > 0
