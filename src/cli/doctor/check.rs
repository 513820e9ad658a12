//! One thing that was looked at, as data.

/// Whether a run depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Without it a run is impossible or wrong.
    Required,
    /// Without it a run is slower, or later now and then.
    Advised,
}

impl Need {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Need::Required => "required",
            Need::Advised => "advised",
        }
    }
}

/// How it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Ok,
    Warn,
    /// Only of what is required.
    Fail,
    /// It cannot be told here.
    Unknown,
}

impl State {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "fail",
            State::Unknown => "unknown",
        }
    }
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) area: &'static str,
    pub(crate) name: &'static str,
    pub(crate) need: Need,
}

/// What was found of it, and what mends it.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) subject: Subject,
    pub(crate) state: State,
    /// With units; of what is unknown, why.
    pub(crate) found: String,
    /// An exact command, boot parameter or setting of the firmware; empty where nothing is to be done.
    pub(crate) remedy: String,
}

impl Subject {
    pub(crate) const fn advised(area: &'static str, name: &'static str) -> Subject {
        Subject { area, name, need: Need::Advised }
    }

    pub(crate) const fn required(area: &'static str, name: &'static str) -> Subject {
        Subject { area, name, need: Need::Required }
    }

    /// The same, required by what was asked or advised.
    pub(crate) const fn required_if(self, required: bool) -> Subject {
        Subject { need: if required { Need::Required } else { Need::Advised }, ..self }
    }

    pub(crate) fn ok(self, found: impl Into<String>) -> Check {
        self.check(State::Ok, found, "")
    }

    pub(crate) fn warn(self, found: impl Into<String>, remedy: impl Into<String>) -> Check {
        self.check(State::Warn, found, remedy)
    }

    /// It is as it must not be: what is only advised is warned of.
    pub(crate) fn bad(self, found: impl Into<String>, remedy: impl Into<String>) -> Check {
        let state = match self.need {
            Need::Required => State::Fail,
            Need::Advised => State::Warn,
        };
        self.check(state, found, remedy)
    }

    pub(crate) fn unknown(self, why: impl Into<String>, remedy: impl Into<String>) -> Check {
        self.check(State::Unknown, why, remedy)
    }

    fn check(self, state: State, found: impl Into<String>, remedy: impl Into<String>) -> Check {
        Check { subject: self, state, found: found.into(), remedy: remedy.into() }
    }
}
