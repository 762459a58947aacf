"""Where a run stands, for the first card of its page: running, stopped, failed or finished, and how to go on."""

import datetime
import time
from dataclasses import dataclass

from tqdm import tqdm

from reporting import page

RELOAD = 30  # seconds between two loads of the page of a run that goes on
GRACE = 120  # seconds by which such a run may be late with its page


@dataclass(frozen=True)
class Standing:
    """What the files of a run do not tell."""

    seconds_left: float | None = None  # of the whole run
    ended: str | None = None  # None: it goes on; "": it was stopped; else the error that ended it
    interval: float = 600.0  # seconds after which a run that goes on has written its page again, at the latest

    def card(self, run, title):
        """HTML; without a clock once the run is finished, so that the same files give the same page."""
        place = page.escape(f"{'iteration' if run.kind == 'search' else 'epoch'} {run.done} of {run.rounds}")
        names = [name for name in ("preset", "dataset", "controller", "seed", "context") if name in run.options]
        facts = [f"{name} {run.options[name]}" for name in names] + run.other_form()
        return page.card(
            f"<h1>{page.escape(title)}</h1>{self._line(run, place)}"
            f'<progress max="{page.escape(run.rounds)}" value="{run.done}"></progress>',
            f"<small>{page.escape(', '.join(facts))}</small>{_times(run)}",
        )

    def _line(self, run, place):
        if run.finished is not None:
            return f"<p>finished after {place}</p>"
        now = f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}"
        again = f"<p>This resumes it:</p>{page.copyable(run.command)}"
        if self.ended is None:
            return self._running(place, now, again)
        error = page.escape(self.ended)
        how = f"ended by an error after {place}, {now}: {error}" if error else f"stopped after {place}, {now}"
        return f"<p><b>{how}</b></p>{again}"

    def _running(self, place, now, again):
        """A page cannot tell that its writer was killed; the script in it sees that there has been no news for too long."""
        left = f", about {tqdm.format_interval(self.seconds_left)} left" if self.seconds_left is not None else ""
        news = f"updated {now}, next update within {tqdm.format_interval(self.interval)}"
        return (
            f'<p id="running" data-written="{time.time():.0f}" data-patience="{2 * self.interval + GRACE:.0f}" '
            f'data-reload="{RELOAD}">running: {place}{left} ({news}; this page reloads itself)</p>'
            f'<div id="silent" hidden><p><b>No update since: the run was killed, or its machine is off.</b></p>{again}</div>'
        )


def _times(run):
    """When and where it ran, as config.json has it."""
    config = run.config
    if "started" not in config:
        return ""
    started, ended = (datetime.datetime.fromisoformat(config[name]) if name in config else None for name in ("started", "ended"))
    parts = [f"started {started:%Y-%m-%d %H:%M:%S}"]
    resumed = len(config.get("continued", ()))
    if ended:
        breaks = " including breaks" if resumed else ""
        total = tqdm.format_interval((ended - started).total_seconds())
        parts.append(f"ended {ended:%Y-%m-%d %H:%M:%S}, {total} in total{breaks}")
    if resumed:
        parts.append(f"resumed {resumed} time{'s' if resumed > 1 else ''}")
    versions = ", ".join(f"{name} {version}" for name, version in config.get("versions", {}).items())
    parts += [part for part in (config.get("machine"), versions) if part]
    return f'<br><small class="times">{page.escape("; ".join(parts))}</small>'
