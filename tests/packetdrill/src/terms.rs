//! What a socket's options make of its connection, before it opens and after.

use fixwire::tcp::{Config, Terms};

use crate::host::Host;
use crate::settings::{Dialect, Opening};
use crate::socket::{Line, Options};

impl Host {
    /// The configuration of a socket that opens now.
    pub(crate) fn config_of(&self, opening: Opening, options: &Options) -> Config {
        let settings = &self.settings;
        let mss = options.mss.unwrap_or(settings.mss()).min(settings.mss());
        let receive_bytes = options.receive_bytes.unwrap_or(settings.receive_bytes);
        let receive_bytes =
            options.window_clamp.map_or(receive_bytes, |most| most.min(receive_bytes));
        // Linux: a buffer that was named bounds the window and its scale, in whole segments.
        let is_named = options.receive_bytes.is_some() || options.window_clamp.is_some();
        let is_bounded = settings.dialect == Dialect::Linux && is_named;
        let rest = receive_bytes % usize::from(mss.max(1));
        let receive_bytes =
            if is_bounded && rest < receive_bytes { receive_bytes - rest } else { receive_bytes };
        let keep_alive = options.keeps_alive.then_some(options.keep_alive);
        let config = settings.config(opening, receive_bytes, mss, keep_alive);
        Config {
            nagle: self.holds_back(options),
            user_timeout: options.user_timeout,
            syn_retries_max: options.syn_retries.unwrap_or(config.syn_retries_max),
            congestion: options.congestion.unwrap_or(config.congestion),
            orphan_timeout: options.fin_timeout.unwrap_or(config.orphan_timeout),
            defer_accept: options.defer_accept.filter(|_| opening == Opening::Passive),
            window_scale: config.window_scale.filter(|_| !is_bounded),
            ..config
        }
    }

    /// Whether a socket holds small segments back: both kernels do, unless TCP_NODELAY was set.
    fn holds_back(&self, options: &Options) -> bool {
        self.settings.dialect != Dialect::Fixwire && !options.no_delay
    }

    /// An open connection goes by what its socket's options have become.
    pub(crate) fn renew_terms(&mut self, line: Line, options: &Options) {
        let nagle = self.holds_back(options);
        let stack = &mut self.stacks[line.stack].1;
        let keep_alive = options.keeps_alive.then_some(options.keep_alive);
        let user_timeout = options.user_timeout;
        let terms = stack.terms();
        let orphan_timeout = options.fin_timeout.unwrap_or(terms.orphan_timeout);
        let congestion = options.congestion.unwrap_or(terms.congestion);
        let terms = Terms { nagle, keep_alive, user_timeout, orphan_timeout, congestion, ..terms };
        stack.set_terms(line.id, &terms);
        self.pump();
    }

    /// Counts for how long each connection has waited, and for what.
    pub(crate) fn settle_waits(&mut self) {
        for (line, facts) in &mut self.facts {
            if let Some(info) = self.stacks[line.stack].1.info(line.id) {
                facts.waits.settle(self.now, &info);
                facts.snd_wnd_max = facts.snd_wnd_max.max(info.snd_wnd);
            }
        }
    }
}
