//! What is shown of a running engine: answers of its control socket in, text out. It opens nothing and reads no clock.

mod draw;
mod sections;
mod text;

use std::collections::VecDeque;

use serde_json::Value;

pub(crate) use draw::{Look, Theme, draw};
pub(crate) use text::Section;
use text::{Line, Tone, line, span};

/// How many intervals between answers are kept for what the engine keeps no seconds of.
const INTERVALS_MAX: usize = 120;

/// What is known of a process that is, or was, at a control socket.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    path: String,
    newest: Option<Value>,
    /// The one before, of the same process.
    before: Option<Value>,
    /// The mean from frame to order between each answer and the one before, in ns; nothing where there was no order.
    means_ns: VecDeque<Option<f64>>,
    /// Why there is no answer now.
    lost: Option<String>,
    /// The process that was there before this one.
    predecessor: Option<u64>,
}

impl View {
    /// Of whoever answers at a path; nobody has yet.
    pub(crate) fn of(path: impl Into<String>) -> View {
        View { path: path.into(), ..View::default() }
    }

    /// It has answered.
    pub(crate) fn on_answer(&mut self, answer: Value) {
        self.lost = None;
        let pid = |answer: &Value| answer["process"]["pid"].as_u64();
        let before = self.newest.take();
        let is_other = before.as_ref().is_some_and(|before| is_other(before, &answer));
        if is_other {
            self.predecessor = before.as_ref().and_then(pid);
            self.means_ns.clear();
        }
        self.before = before.filter(|_| !is_other);
        self.newest = Some(answer);
        if self.before.is_some() {
            if self.means_ns.len() >= INTERVALS_MAX {
                self.means_ns.pop_front();
            }
            self.means_ns.push_back(self.mean_ns());
        }
    }

    /// It has not.
    pub(crate) fn on_silence(&mut self, why: impl Into<String>) {
        self.lost = Some(why.into());
    }

    fn answer(&self) -> &Value {
        self.newest.as_ref().unwrap_or(&Value::Null)
    }

    /// Two numbers of the newest answer and of the one before: by how much it has grown, in how many seconds.
    fn growth(&self, of: impl Fn(&Value) -> Option<u64>) -> Option<(u64, f64)> {
        let (newest, before) = (self.newest.as_ref()?, self.before.as_ref()?);
        let uptime_ms = |answer: &Value| answer["process"]["uptime_ms"].as_u64();
        let ms = uptime_ms(newest)?.checked_sub(uptime_ms(before)?).filter(|ms| *ms > 0)?;
        Some((of(newest)?.checked_sub(of(before)?)?, ms as f64 / 1_000.0))
    }

    fn per_s(&self, of: impl Fn(&Value) -> Option<u64>) -> Option<f64> {
        self.growth(of).map(|(growth, s)| growth as f64 / s)
    }

    fn mean_ns(&self) -> Option<f64> {
        let (orders, _) = self.growth(|answer| answer["frame_to_order"]["samples"].as_u64())?;
        let (ns, _) = self.growth(|answer| answer["frame_to_order"]["sum_ns"].as_u64())?;
        (orders > 0).then(|| ns as f64 / orders as f64)
    }

    /// Who it is, and that nobody answers, if so.
    pub(crate) fn head(&self) -> Vec<Line> {
        let mut head = Vec::new();
        if let Some(answer) = &self.newest {
            let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
            let link = if answer["link_up"] == true { "up" } else { "DOWN" };
            let process = &answer["process"];
            let mut who = format!(
                "{} by profile {}, link {link}",
                text(&answer["nic"]),
                text(&answer["profile"])
            );
            if let Some(pid) = process["pid"].as_u64() {
                who += &format!(
                    "; fixwire {}, process {pid}, up {}",
                    text(&process["version"]),
                    span(process["uptime_ms"].as_u64().unwrap_or_default())
                );
            }
            if let Some(before) = self.predecessor {
                let earlier = if process["pid"] == before { "an earlier " } else { "" };
                who += &format!("; before it was {earlier}process {before}");
            }
            let tone = if answer["link_up"] == true { Tone::Strong } else { Tone::Bad };
            head.push(line(who, tone));
        } else if self.lost.is_none() {
            head.push(line(format!("asking {}", self.path), Tone::Faint));
        }
        if let Some(why) = &self.lost {
            let since = if self.newest.is_some() { "; below is what it said last" } else { "" };
            head.push(line(format!("{why}; it is asked again{since}"), Tone::Bad));
        }
        head
    }

    /// The whole of it as text, whatever there is.
    pub(crate) fn text(&self) -> String {
        let flat = |of: &Line| {
            let line: String = of.iter().map(|piece| piece.text.as_str()).collect();
            line.trim_end().to_owned()
        };
        let mut text: Vec<String> = self.head().iter().map(flat).collect();
        for Section { title, lines } in self.sections() {
            text.push(String::new());
            text.push(format!("{title}:"));
            text.extend(lines.iter().map(|line| format!("  {}", flat(line))));
        }
        text.join("\n")
    }
}

/// Whether an answer is another process's than the one before. The number alone does not tell: in a container each is 1.
fn is_other(before: &Value, answer: &Value) -> bool {
    let differs = |what: &str| before["process"][what] != answer["process"][what];
    let uptime_ms = |of: &Value| of["process"]["uptime_ms"].as_u64();
    differs("pid") || differs("begun_unix_ms") || uptime_ms(answer) < uptime_ms(before)
}
