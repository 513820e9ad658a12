//! Every key that QuickFIX and QuickFIX/J document, and what becomes of it.

/// What a key means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The same as the key of ours with this name.
    Text(&'static str),
    /// A number.
    Number(&'static str),
    /// One that may have a fraction.
    Fraction(&'static str),
    /// `Y` or `N`.
    Switch(&'static str),
    /// A switch that only a session with a dictionary has.
    OfDictionary(&'static str),
    /// The same of a rule that a session without a dictionary keeps: `Y` there, and why.
    Eased(&'static str, &'static str),
    /// What is always done here, if it says so, and an error if it says otherwise; and why.
    Always(&'static str, &'static str),
    /// A rule of its own.
    Special(Special),
    /// Something that would change what the session does, and is not done here: an error.
    Refused(&'static str),
    /// Of no meaning here, and why.
    Nothing(&'static str),
}

/// Keys whose values are written in another way here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    ConnectionType,
    DataDictionary,
    TransportDataDictionary,
    /// AppDataDictionary, or with a version behind a dot.
    AppDataDictionary,
    UseDataDictionary,
    /// StartTime, EndTime and their days: of no account in a session that never stops.
    Hours(&'static str),
    NonStop,
    UseLocalTime,
    Milliseconds,
    TimestampPrecision,
    ReconnectInterval,
    /// LogonTag, or with a number behind it.
    LogonTag,
    ValidateIncoming,
    RejectInvalid,
    FileStoreSync,
    /// SocketConnectHost or SocketConnectPort, with a number behind it.
    Alternate,
    AllowedRemote,
    SocketUseSsl,
}

use Meaning::{
    Always, Eased, Fraction, Nothing, Number, OfDictionary, Refused, Special as Own, Switch, Text,
};

const STORE: &str = "how a store is kept is set by `store`, in TOML";
const LOG: &str = "what is logged is set by keys and options of our own";
const SOCKET: &str = "the kernel's sockets are not used: TCP is ours, and has keys of its own";
const TLS: &str = "there is no TLS here: end it in front, where SocketUseSSL would be Y";
const DATABASE: &str = "there is no database here";
const JAVA: &str = "it is of QuickFIX/J's own threads and classes";
const HOSTS: &str = "each address is connected to in turn";
const SHARED: &str = "nobody else may write to the store of a session that runs";
const ERRORS: &str = "an error of the application's ends no session here";

/// By name. They are looked up in whatever case.
#[rustfmt::skip]
pub(super) const KEYS: &[(&str, Meaning)] = &[
    ("ConnectionType", Own(Special::ConnectionType)),
    ("BeginString", Text("begin_string")),
    ("DefaultApplVerID", Text("default_appl_ver_id")),
    ("SenderCompID", Text("sender_comp_id")),
    ("SenderSubID", Text("sender_sub_id")),
    ("SenderLocationID", Text("sender_location_id")),
    ("TargetCompID", Text("target_comp_id")),
    ("TargetSubID", Text("target_sub_id")),
    ("TargetLocationID", Text("target_location_id")),
    ("Username", Text("username")),
    ("Password", Text("password")),
    ("SocketConnectHost", Text("socket_connect_host")),
    ("SocketConnectPort", Number("socket_connect_port")),
    ("SocketAcceptPort", Number("socket_accept_port")),
    ("HeartBtInt", Number("heart_bt_int")),
    ("ReconnectInterval", Own(Special::ReconnectInterval)),
    ("LogonTimeout", Number("logon_timeout")),
    ("LogoutTimeout", Number("logout_timeout")),
    ("ResetOnLogon", Switch("reset_on_logon")),
    ("ResetOnLogout", Switch("reset_on_logout")),
    ("ResetOnDisconnect", Switch("reset_on_disconnect")),
    ("CheckCompID", Switch("check_comp_id")),
    ("CheckLatency", Switch("check_latency")),
    ("MaxLatency", Number("max_latency")),
    ("SendNextExpectedMsgSeqNum", Switch("enable_next_expected_msg_seq_num")),
    ("EnableNextExpectedMsgSeqNum", Switch("enable_next_expected_msg_seq_num")),
    ("EnableLastMsgSeqNumProcessed", Switch("enable_last_msg_seq_num_processed")),
    ("ResendRequestChunkSize", Number("resend_request_chunk_size")),
    ("ClosedResendInterval", Switch("closed_resend_interval")),
    ("PersistMessages", Switch("persist_messages")),
    ("TimeStampPrecision", Own(Special::TimestampPrecision)),
    ("MillisecondsInTimeStamp", Own(Special::Milliseconds)),
    ("StartTime", Own(Special::Hours("start_time"))),
    ("EndTime", Own(Special::Hours("end_time"))),
    ("StartDay", Own(Special::Hours("start_day"))),
    ("EndDay", Own(Special::Hours("end_day"))),
    ("LogonTime", Own(Special::Hours("logon_time"))),
    ("LogoutTime", Own(Special::Hours("logout_time"))),
    ("LogonDay", Own(Special::Hours("logon_day"))),
    ("LogoutDay", Own(Special::Hours("logout_day"))),
    ("Weekdays", Own(Special::Hours("weekdays"))),
    ("TimeZone", Own(Special::Hours("time_zone"))),
    ("UseLocalTime", Own(Special::UseLocalTime)),
    ("NonStopSession", Own(Special::NonStop)),
    ("DataDictionary", Own(Special::DataDictionary)),
    ("UseDataDictionary", Own(Special::UseDataDictionary)),
    ("ValidateUserDefinedFields", OfDictionary("validate_user_defined_fields")),
    ("AllowUnknownMsgFields", OfDictionary("allow_unknown_msg_fields")),
    ("ValidateUnorderedGroupFields", OfDictionary("validate_unordered_group_fields")),

    ("ValidateFieldsOutOfOrder", Eased("validate_fields_out_of_order", "fields out of order are refused where there is no DataDictionary")),
    ("ValidateFieldsHaveValues", Eased("validate_fields_have_values", "empty fields are refused where there is no DataDictionary")),
    ("ValidateLengthAndChecksum", Always("Y", "what is damaged is always ignored")),
    ("ValidateChecksum", Always("Y", "what is damaged is always ignored")),
    ("ValidateSequenceNumbers", Switch("validate_sequence_numbers")),
    ("ValidateIncomingMessage", Own(Special::ValidateIncoming)),
    ("SendRedundantResendRequests", Switch("send_redundant_resend_requests")),
    ("RequiresOrigSendingTime", Switch("requires_orig_sending_time")),
    ("DisableHeartBeatCheck", Switch("disable_heart_beat_check")),
    ("TestRequestDelayMultiplier", Fraction("test_request_delay_multiplier")),
    ("HeartBeatTimeoutMultiplier", Fraction("heart_beat_timeout_multiplier")),
    ("RejectGarbledMessage", Switch("reject_garbled_message")),
    ("RejectInvalidMessage", Own(Special::RejectInvalid)),
    ("AllowUnknownEnumValues", OfDictionary("allow_unknown_enum_values")),
    ("LogonTag", Own(Special::LogonTag)),
    ("FirstFieldInGroupIsDelimiter", Always("N", "the dictionary says what begins an entry of a group")),
    ("DynamicSession", Switch("dynamic_session")),
    ("AcceptorTemplate", Switch("acceptor_template")),
    ("SocketUseSSL", Own(Special::SocketUseSsl)),

    ("AllowedRemoteAddresses", Own(Special::AllowedRemote)),
    ("SessionQualifier", Text("session_qualifier")),
    ("SocketConnectSourceHost", Text("socket_connect_source_host")),
    ("SocketConnectSourcePort", Number("socket_connect_source_port")),
    ("SocketLocalHost", Text("socket_connect_source_host")),
    ("SocketLocalPort", Number("socket_connect_source_port")),

    ("TransportDataDictionary", Own(Special::TransportDataDictionary)),
    ("AppDataDictionary", Own(Special::AppDataDictionary)),
    ("AllowPosDup", Nothing("no application here sends a message a second time: only the session does, with PossDupFlag")),
    ("PreserveMessageFieldsOrder", Nothing("fields leave in the order in which they are written")),
    ("RejectMessageOnUnhandledException", Nothing(JAVA)),
    ("DefaultCstmApplVerID", Nothing("no custom versions are spoken here")),
    ("SendResetSeqNumFlag", Nothing("ResetSeqNumFlag is sent where ResetOnLogon, ResetOnLogout or ResetOnDisconnect is Y")),
    ("RefreshOnLogon", Always("N", SHARED)),
    ("ResetOnError", Always("N", ERRORS)),
    ("DisconnectOnError", Always("N", ERRORS)),
    ("ForceResendWhenCorruptedStore", Nothing("what a store has lost is filled as a gap")),
    ("ContinueInitializationOnError", Nothing("a file with a mistake is never run")),
    ("LogMessageWhenSessionNotFound", Nothing("who is refused is always told of")),
    ("MaxScheduledWriteRequests", Nothing("what waits to be sent is bounded by the send buffer")),
    ("InChanCapacity", Nothing("nothing waits between TCP and a session")),
    ("HttpAcceptPort", Nothing("there is no web server here")),
    ("HostSelectionPolicy", Always("ROUNDROBIN", HOSTS)),
    ("HostSelectionPolicyPriorityStartOverInterval", Nothing(HOSTS)),
    ("SocketConnectTimeout", Nothing("TCP gives an attempt up by itself")),
    ("SocketAcceptHost", Nothing("the engine listens on its own address")),
    ("SocketAcceptAddress", Nothing("the engine listens on its own address")),
    ("SocketAcceptProtocol", Nothing(SOCKET)),
    ("SocketConnectProtocol", Nothing(SOCKET)),
    ("SocketReuseAddress", Nothing(SOCKET)),
    ("SocketNodelay", Nothing(SOCKET)),
    ("SocketTcpNoDelay", Nothing(SOCKET)),
    ("SocketSendBufferSize", Nothing(SOCKET)),
    ("SocketReceiveBufferSize", Nothing(SOCKET)),
    ("SocketKeepAlive", Nothing(SOCKET)),
    ("SocketOobInline", Nothing(SOCKET)),
    ("SocketLinger", Nothing(SOCKET)),
    ("SocketTrafficClass", Nothing(SOCKET)),
    ("SocketSynchronousWrites", Nothing(SOCKET)),
    ("SocketSynchronousWriteTimeout", Nothing(SOCKET)),
    ("UseSNI", Nothing(TLS)),
    ("SNIHostName", Nothing(TLS)),
    ("SSLProtocol", Nothing(TLS)),
    ("SSLCipherSuite", Nothing(TLS)),
    ("TLSCipherSuites", Nothing(TLS)),
    ("ServerCertificateFile", Nothing(TLS)),
    ("ServerCertificateKeyFile", Nothing(TLS)),
    ("ClientCertificateFile", Nothing(TLS)),
    ("ClientCertificateKeyFile", Nothing(TLS)),
    ("CertificationAuthoritiesFile", Nothing(TLS)),
    ("CertificationAuthoritiesDirectory", Nothing(TLS)),
    ("CertificateRevocationListFile", Nothing(TLS)),
    ("CertificateRevocationListDirectory", Nothing(TLS)),
    ("CertificateVerifyLevel", Nothing(TLS)),
    ("SocketKeyStore", Nothing(TLS)),
    ("SocketKeyStorePassword", Nothing(TLS)),
    ("SocketTrustStore", Nothing(TLS)),
    ("SocketTrustStorePassword", Nothing(TLS)),
    ("KeyManagerFactoryAlgorithm", Nothing(TLS)),
    ("TrustManagerFactoryAlgorithm", Nothing(TLS)),
    ("KeyStoreType", Nothing(TLS)),
    ("TrustStoreType", Nothing(TLS)),
    ("NeedClientAuth", Nothing(TLS)),
    ("EnabledProtocols", Nothing(TLS)),
    ("CipherSuites", Nothing(TLS)),
    ("EndpointIdentificationAlgorithm", Nothing(TLS)),
    ("ProxyType", Refused("no proxy is connected through here")),
    ("ProxyVersion", Nothing("no proxy is connected through here")),
    ("ProxyHost", Nothing("no proxy is connected through here")),
    ("ProxyPort", Nothing("no proxy is connected through here")),
    ("ProxyUser", Nothing("no proxy is connected through here")),
    ("ProxyPassword", Nothing("no proxy is connected through here")),
    ("ProxyDomain", Nothing("no proxy is connected through here")),
    ("ProxyWorkstation", Nothing("no proxy is connected through here")),

    ("FileStorePath", Text("store.path")),
    ("FileStoreSync", Own(Special::FileStoreSync)),
    ("FileStoreMaxCachedMsgs", Nothing(STORE)),
    ("FileLogPath", Text("file_log_path")),
    ("FileLogBackupPath", Nothing(LOG)),
    ("FileLogHeartbeats", Nothing(LOG)),
    ("FileIncludeMilliseconds", Nothing(LOG)),
    ("FileIncludeTimeStampForMessages", Nothing(LOG)),
    ("ScreenLogShowIncoming", Nothing(LOG)),
    ("ScreenLogShowOutgoing", Nothing(LOG)),
    ("ScreenLogShowEvents", Nothing(LOG)),
    ("ScreenLogEvents", Nothing(LOG)),
    ("ScreenLogShowHeartBeats", Nothing(LOG)),
    ("ScreenIncludeMilliseconds", Nothing(LOG)),
    ("SLF4JLogEventCategory", Nothing(LOG)),
    ("SLF4JLogErrorEventCategory", Nothing(LOG)),
    ("SLF4JLogIncomingMessageCategory", Nothing(LOG)),
    ("SLF4JLogOutgoingMessageCategory", Nothing(LOG)),
    ("SLF4JLogHeartbeats", Nothing(LOG)),
    ("SLF4JLogPrependSessionID", Nothing(LOG)),
    ("SleepycatDatabaseDir", Nothing(DATABASE)),
    ("SleepycatMessageDbName", Nothing(DATABASE)),
    ("SleepycatSequenceDbName", Nothing(DATABASE)),
    ("CachedFileStorePath", Nothing(STORE)),
    ("ThreadModel", Nothing(JAVA)),
    ("Description", Nothing("it is for those who read the file")),
    ("JmxMBeanName", Nothing(JAVA)),
];

/// How families of keys begin, of which there are too many to name.
pub(super) const FAMILIES: &[(&str, Meaning)] = &[
    ("AppDataDictionary.", Own(Special::AppDataDictionary)),
    ("SocketConnectHost", Own(Special::Alternate)),
    ("SocketConnectPort", Own(Special::Alternate)),
    ("SocketConnectProtocol", Nothing(SOCKET)),
    ("LogonTag", Own(Special::LogonTag)),
    ("MySQL", Nothing(DATABASE)),
    ("PostgreSQL", Nothing(DATABASE)),
    ("Odbc", Nothing(DATABASE)),
    ("Jdbc", Nothing(DATABASE)),
    ("Jndi", Nothing(DATABASE)),
    ("PostgresSQL", Nothing(DATABASE)),
    ("Mongo", Nothing(DATABASE)),
    ("SQLStore", Nothing(DATABASE)),
    ("SQLLog", Nothing(DATABASE)),
];

/// What becomes of a key, and how QuickFIX spells it; one of a family, as it is written.
pub(super) fn meaning_of(key: &str) -> Option<(&str, Meaning)> {
    let known = KEYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
    let family = || {
        FAMILIES.iter().find(|(begin, _)| {
            let begins = key.get(..begin.len()).is_some_and(|key| key.eq_ignore_ascii_case(begin));
            let rest = key.get(begin.len()..).unwrap_or_default();
            let numbered = begin.starts_with("SocketConnect") || *begin == "LogonTag";
            begins
                && (!numbered
                    || (!rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())))
        })
    };
    known.copied().or_else(|| family().map(|(_, meaning)| (key, *meaning)))
}

/// The key of ours that a key of QuickFIX's becomes.
pub(super) fn ours(meaning: Meaning) -> Option<&'static str> {
    match meaning {
        Text(key)
        | Number(key)
        | Fraction(key)
        | Switch(key)
        | OfDictionary(key)
        | Eased(key, _) => Some(key),
        Own(Special::Hours(key)) => Some(key),
        Own(Special::ConnectionType) => Some("connection_type"),
        Own(Special::DataDictionary) => Some("data_dictionary"),
        Own(Special::UseDataDictionary) => Some("use_data_dictionary"),
        Own(Special::TransportDataDictionary) => Some("transport_data_dictionary"),
        Own(Special::AppDataDictionary) => Some("app_data_dictionary"),
        Own(Special::NonStop) => Some("non_stop_session"),
        Own(Special::TimestampPrecision) => Some("time_stamp_precision"),
        Own(Special::ReconnectInterval) => Some("reconnect_interval"),
        Own(Special::LogonTag) => Some("logon_tags"),
        Own(Special::AllowedRemote) => Some("allowed_remote_addresses"),
        Own(Special::RejectInvalid) => Some("reject_invalid_message"),
        Own(Special::FileStoreSync) => Some("store.durability"),
        _ => None,
    }
}
