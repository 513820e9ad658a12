//! Names of what most sessions exchange, for those who name no dictionary (FIX 4.4 Vol. 6; FIX 5.0 SP2 where newer).

/// Fields beside those that [`tags`](fixwire::fix::tags) names.
#[rustfmt::skip]
pub(super) const FIELDS: [(u32, &str); 92] = [
    (1, "Account"), (6, "AvgPx"), (12, "Commission"), (13, "CommType"), (14, "CumQty"), (15, "Currency"),
    (17, "ExecID"), (18, "ExecInst"), (19, "ExecRefID"), (20, "ExecTransType"), (21, "HandlInst"),
    (22, "SecurityIDSource"), (23, "IOIID"), (29, "LastCapacity"), (30, "LastMkt"), (31, "LastPx"),
    (32, "LastQty"), (33, "NoLinesOfText"), (37, "OrderID"), (39, "OrdStatus"), (40, "OrdType"),
    (41, "OrigClOrdID"), (42, "OrigTime"), (47, "OrderCapacity"), (48, "SecurityID"), (54, "Side"),
    (59, "TimeInForce"), (60, "TransactTime"), (63, "SettlType"), (64, "SettlDate"), (65, "SymbolSfx"),
    (66, "ListID"), (70, "AllocID"), (75, "TradeDate"), (76, "ExecBroker"), (77, "PositionEffect"),
    (78, "NoAllocs"), (79, "AllocAccount"), (80, "AllocQty"), (94, "EmailType"), (99, "StopPx"),
    (100, "ExDestination"), (102, "CxlRejReason"), (103, "OrdRejReason"), (106, "Issuer"),
    (107, "SecurityDesc"), (109, "ClientID"), (110, "MinQty"), (111, "MaxFloor"), (117, "QuoteID"),
    (126, "ExpireTime"), (131, "QuoteReqID"), (132, "BidPx"), (133, "OfferPx"), (134, "BidSize"),
    (135, "OfferSize"), (146, "NoRelatedSym"), (147, "Subject"), (148, "Headline"), (150, "ExecType"),
    (151, "LeavesQty"), (164, "EmailThreadID"), (167, "SecurityType"), (198, "SecondaryOrderID"),
    (200, "MaturityMonthYear"), (201, "PutOrCall"), (202, "StrikePrice"), (207, "SecurityExchange"),
    (262, "MDReqID"), (263, "SubscriptionRequestType"), (264, "MarketDepth"), (265, "MDUpdateType"),
    (267, "NoMDEntryTypes"), (268, "NoMDEntries"), (269, "MDEntryType"), (270, "MDEntryPx"),
    (271, "MDEntrySize"), (272, "MDEntryDate"), (273, "MDEntryTime"), (278, "MDEntryID"),
    (279, "MDUpdateAction"), (320, "SecurityReqID"), (336, "TradingSessionID"), (378, "ExecRestatementReason"),
    (383, "MaxMessageSize"),
    (384, "NoMsgTypes"), (432, "ExpireDate"), (434, "CxlRejResponseTo"), (448, "PartyID"),
    (452, "PartyRole"), (453, "NoPartyIDs"), (526, "SecondaryClOrdID"),
];

/// Message types.
#[rustfmt::skip]
pub(super) const MESSAGES: [(&str, &str); 42] = [
    ("0", "Heartbeat"), ("1", "TestRequest"), ("2", "ResendRequest"), ("3", "Reject"), ("4", "SequenceReset"),
    ("5", "Logout"), ("6", "IOI"), ("7", "Advertisement"), ("8", "ExecutionReport"), ("9", "OrderCancelReject"),
    ("A", "Logon"), ("B", "News"), ("C", "Email"), ("D", "NewOrderSingle"), ("E", "NewOrderList"),
    ("F", "OrderCancelRequest"), ("G", "OrderCancelReplaceRequest"), ("H", "OrderStatusRequest"),
    ("J", "AllocationInstruction"), ("P", "AllocationInstructionAck"), ("Q", "DontKnowTrade"), ("R", "QuoteRequest"),
    ("S", "Quote"), ("V", "MarketDataRequest"), ("W", "MarketDataSnapshotFullRefresh"),
    ("X", "MarketDataIncrementalRefresh"), ("Y", "MarketDataRequestReject"), ("Z", "QuoteCancel"),
    ("a", "QuoteStatusRequest"), ("b", "MassQuoteAcknowledgement"), ("c", "SecurityDefinitionRequest"),
    ("d", "SecurityDefinition"), ("e", "SecurityStatusRequest"), ("f", "SecurityStatus"),
    ("g", "TradingSessionStatusRequest"), ("h", "TradingSessionStatus"), ("i", "MassQuote"),
    ("j", "BusinessMessageReject"), ("q", "OrderMassCancelRequest"), ("r", "OrderMassCancelReport"),
    ("AD", "TradeCaptureReportRequest"), ("AE", "TradeCaptureReport"),
];

/// What values mean, by field.
#[rustfmt::skip]
pub(super) const VALUES: [(u32, &[(&str, &str)]); 14] = [
    (20, &[("0", "NEW"), ("1", "CANCEL"), ("2", "CORRECT"), ("3", "STATUS")]),
    (21, &[("1", "AUTOMATED_NO_INTERVENTION"), ("2", "AUTOMATED_INTERVENTION_OK"), ("3", "MANUAL")]),
    (39, ORD_STATUS),
    (40, &[("1", "MARKET"), ("2", "LIMIT"), ("3", "STOP"), ("4", "STOP_LIMIT"), ("P", "PEGGED")]),
    (54, &[("1", "BUY"), ("2", "SELL"), ("3", "BUY_MINUS"), ("4", "SELL_PLUS"), ("5", "SELL_SHORT"),
        ("6", "SELL_SHORT_EXEMPT"), ("7", "UNDISCLOSED"), ("8", "CROSS")]),
    (59, &[("0", "DAY"), ("1", "GOOD_TILL_CANCEL"), ("2", "AT_THE_OPENING"), ("3", "IMMEDIATE_OR_CANCEL"),
        ("4", "FILL_OR_KILL"), ("5", "GOOD_TILL_CROSSING"), ("6", "GOOD_TILL_DATE"), ("7", "AT_THE_CLOSE")]),
    (98, &[("0", "NONE")]),
    (102, &[("0", "TOO_LATE_TO_CANCEL"), ("1", "UNKNOWN_ORDER"), ("3", "ALREADY_PENDING"),
        ("6", "DUPLICATE_CL_ORD_ID")]),
    (103, &[("0", "BROKER_OPTION"), ("1", "UNKNOWN_SYMBOL"), ("2", "EXCHANGE_CLOSED"),
        ("3", "ORDER_EXCEEDS_LIMIT"), ("4", "TOO_LATE_TO_ENTER"), ("5", "UNKNOWN_ORDER"),
        ("6", "DUPLICATE_ORDER"), ("8", "STALE_ORDER"), ("99", "OTHER")]),
    (150, EXEC_TYPE),
    (269, &[("0", "BID"), ("1", "OFFER"), ("2", "TRADE"), ("3", "INDEX_VALUE"), ("4", "OPENING_PRICE"),
        ("5", "CLOSING_PRICE"), ("6", "SETTLEMENT_PRICE")]),
    (279, &[("0", "NEW"), ("1", "CHANGE"), ("2", "DELETE")]),
    (380, &[("0", "OTHER"), ("1", "UNKNOWN_ID"), ("2", "UNKNOWN_SECURITY"), ("3", "UNSUPPORTED_MESSAGE_TYPE"),
        ("4", "APPLICATION_NOT_AVAILABLE"), ("5", "CONDITIONALLY_REQUIRED_FIELD_MISSING")]),
    (434, &[("1", "ORDER_CANCEL_REQUEST"), ("2", "ORDER_CANCEL_REPLACE_REQUEST")]),
];

#[rustfmt::skip]
const ORD_STATUS: &[(&str, &str)] = &[
    ("0", "NEW"), ("1", "PARTIALLY_FILLED"), ("2", "FILLED"), ("3", "DONE_FOR_DAY"), ("4", "CANCELED"),
    ("5", "REPLACED"), ("6", "PENDING_CANCEL"), ("7", "STOPPED"), ("8", "REJECTED"), ("9", "SUSPENDED"),
    ("A", "PENDING_NEW"), ("B", "CALCULATED"), ("C", "EXPIRED"), ("D", "ACCEPTED_FOR_BIDDING"),
    ("E", "PENDING_REPLACE"),
];

#[rustfmt::skip]
const EXEC_TYPE: &[(&str, &str)] = &[
    ("0", "NEW"), ("1", "PARTIAL_FILL"), ("2", "FILL"), ("3", "DONE_FOR_DAY"), ("4", "CANCELED"),
    ("5", "REPLACED"), ("6", "PENDING_CANCEL"), ("7", "STOPPED"), ("8", "REJECTED"), ("9", "SUSPENDED"),
    ("A", "PENDING_NEW"), ("B", "CALCULATED"), ("C", "EXPIRED"), ("D", "RESTATED"), ("E", "PENDING_REPLACE"),
    ("F", "TRADE"), ("G", "TRADE_CORRECT"), ("H", "TRADE_CANCEL"), ("I", "ORDER_STATUS"),
];
