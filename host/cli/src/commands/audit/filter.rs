//! Which lines of the log are wanted.

use std::str::FromStr;

use clap::Args;
use host_core::{RunId, Span, Timestamp};
use host_trust::Moment;

use super::lines::Told;

/// What a line must be to be shown.
#[derive(Args, Debug, Default)]
pub(super) struct Filter {
    /// Only this run
    #[arg(long, value_name = "ID")]
    run: Option<RunId>,

    /// Only this task: `module`, or `module::task`
    #[arg(long, value_name = "NAME")]
    task: Option<String>,

    /// Only what this caller ordered; an empty NAME is the person at the keyboard
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,

    /// Only such lines: intended, finished, refused, unstarted, abandoned, recovered, checkpoint, rekeyed, restarted
    #[arg(long, value_name = "E")]
    event: Option<String>,

    /// Only runs that ended so: success, failure, refused, lost
    #[arg(long, value_name = "S")]
    status: Option<String>,

    /// Nothing before this: 2026-11-21, 2026-11-21T08:30:00Z, or so long ago as 2h or 7d
    #[arg(long, value_name = "T")]
    since: Option<When>,

    /// Nothing after this
    #[arg(long, value_name = "T")]
    until: Option<When>,
}

impl Filter {
    /// Whether a line is wanted, when it is that many seconds after 1970 now.
    pub(super) fn takes(&self, told: &Told<'_>, now_unix: u64) -> bool {
        let is = |wanted: &Option<String>, have: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| have == Some(wanted))
        };
        let is_run = self.run.is_none_or(|run| told.run() == Some(run));
        is_run
            && is(&self.task, told.task())
            && is(&self.caller, told.caller())
            && is(&self.event, told.event())
            && is(&self.status, told.status())
            && self.is_in_time(told.time(), now_unix)
    }

    /// A line that tells no time is in no span of it.
    fn is_in_time(&self, time: Option<Timestamp>, now_unix: u64) -> bool {
        let since = self.since.as_ref();
        let until = self.until.as_ref();
        if since.is_none() && until.is_none() {
            return true;
        }
        time.map(Timestamp::unix_seconds).is_some_and(|time| {
            since.is_none_or(|since| !since.is_after(time, now_unix))
                && until.is_none_or(|until| !until.is_before(time, now_unix))
        })
    }
}

/// A point in time as people name one.
#[derive(Clone, Debug, Eq, PartialEq)]
enum When {
    /// A day or a second.
    Moment(Moment),
    /// So long before now.
    Ago(Span),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(span) = text.parse() {
            return Ok(Self::Ago(span));
        }
        let moment = text.parse().map(Self::Moment);
        moment.map_err(|error: host_trust::MomentError| {
            format!("{error}; or so long ago as 2h or 7d")
        })
    }
}

impl When {
    fn is_after(&self, time: u64, now_unix: u64) -> bool {
        match self {
            Self::Moment(moment) => moment.is_after(time),
            Self::Ago(span) => time < now_unix.saturating_sub(span.ms() / 1_000),
        }
    }

    fn is_before(&self, time: u64, now_unix: u64) -> bool {
        match self {
            Self::Moment(moment) => moment.is_before(time),
            Self::Ago(span) => time > now_unix.saturating_sub(span.ms() / 1_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const RUN: &str = "0192f3c1a2b4714f8c6e1f0a9d3b5c77";
    /// 2026-11-21T09:20:11Z.
    const NOW: u64 = 1_795_252_811;

    fn takes(filter: &Filter, line: &Value) -> bool {
        filter.takes(&Told(line), NOW)
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn each_filter_looks_at_what_a_line_or_its_record_says() {
        let short = json!({"event": "intended", "run": RUN, "task": "demo", "caller": "ann"});
        let long = json!({"event": "finished", "record": {
            "run": RUN, "task": "demo", "caller": "ann", "status": "failure"}});
        let run = Filter {
            run: Some(RUN.parse().unwrap()),
            task: text("demo"),
            caller: text("ann"),
            ..Filter::default()
        };
        assert!(takes(&run, &short) && takes(&run, &long));
        let status = Filter {
            status: text("failure"),
            ..Filter::default()
        };
        assert!(!takes(&status, &short) && takes(&status, &long));
        let event = Filter {
            event: text("intended"),
            ..Filter::default()
        };
        assert!(takes(&event, &short) && !takes(&event, &long));
        assert!(!takes(&run, &json!({"event": "recovered"})));
        assert!(takes(&Filter::default(), &json!({"anything": 1})));
    }

    #[test]
    fn time_is_a_day_a_second_or_so_long_ago() {
        let line = json!({"time": "2026-11-21T09:20:11.042Z"});
        for (since, until, is_taken) in [
            (Some("2026-11-21"), None, true),
            (Some("2026-11-22"), None, false),
            (None, Some("2026-11-21"), true),
            (None, Some("2026-11-20"), false),
            (Some("2026-11-21T09:20:12Z"), None, false),
            (
                Some("2026-11-21T09:20:11Z"),
                Some("2026-11-21T09:20:11Z"),
                true,
            ),
            (Some("0s"), None, true),
            (None, Some("1s"), false),
        ] {
            let filter = Filter {
                since: since.map(|text| text.parse().unwrap()),
                until: until.map(|text| text.parse().unwrap()),
                ..Filter::default()
            };
            assert_eq!(takes(&filter, &line), is_taken, "{since:?} {until:?}");
            assert!(!takes(&filter, &json!({})));
        }
        assert!("yesterday".parse::<When>().is_err());
    }
}
