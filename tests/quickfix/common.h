// What both QuickFIX programs share. They print a line for everything that happens to their
// sessions and do what they are told on standard input, a line each:
//
//   order N          send N orders, numbered onwards: Q1, Q2, ...
//   answer N|all     answer so many more orders, those that wait first; without it all are answered
//   forget           answer none of those that wait
//   test ID          send a TestRequest
//   next_out N       the next message sent has this number
//   next_in N        the next message expected has this number
//   numbers          print both
//   disconnect       close the connection without a word
//   logout [TEXT]    log out, and let nobody log on until told `logon`
//   logon            log on again, or let log on
//   use SESSION      what follows is for this session; at first for the first
//   quit             end at once
//
// What they print: `in MESSAGE` and `out MESSAGE` as on the wire, with `|` for SOH; `event TEXT` in
// QuickFIX's words; `logon SESSION`, `logout SESSION`; `answered ID`, `duplicate ID` of orders,
// `numbers OUT IN`; `ordered N` how many orders processes before have sent, by the store; `ready` once they run.

#ifndef FIXWIRE_TESTS_QUICKFIX_COMMON_H
#define FIXWIRE_TESTS_QUICKFIX_COMMON_H

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <vector>
#include <unistd.h>

#include <quickfix/Application.h>
#include <quickfix/FieldConvertors.h>
#include <quickfix/FileLog.h>
#include <quickfix/FileStore.h>
#include <quickfix/Log.h>
#include <quickfix/Session.h>
#include <quickfix/SessionSettings.h>

inline void say(const std::string& line) {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  std::cout << line << std::endl;
}

// Says everything, and has QuickFIX's own log in files where FileLogPath names a folder for it.
class Log : public FIX::Log {
 public:
  explicit Log(FIX::Log* file = nullptr) : file(file) {}
  void clear() {}
  void backup() {}
  void onIncoming(const std::string& message) {
    say("in " + readable(message));
    if (file) file->onIncoming(message);
  }
  void onOutgoing(const std::string& message) {
    say("out " + readable(message));
    if (file) file->onOutgoing(message);
  }
  void onEvent(const std::string& text) {
    say("event " + text);
    if (file) file->onEvent(text);
  }

 private:
  FIX::Log* file;

  static std::string readable(std::string message) {
    std::replace(message.begin(), message.end(), '\x01', '|');
    return message;
  }
};

class LogFactory : public FIX::LogFactory {
 public:
  explicit LogFactory(const FIX::SessionSettings& settings)
      : files(settings), keeps(settings.get().has("FileLogPath")) {}
  FIX::Log* create() { return new Log; }
  FIX::Log* create(const FIX::SessionID& session) {
    return new Log(keeps ? files.create(session) : nullptr);
  }
  void destroy(FIX::Log* log) { delete log; }

 private:
  FIX::FileLogFactory files;
  bool keeps;
};

// Answers orders by reports that they were filled whole, when it is allowed to.
class Party : public FIX::Application {
 public:
  void onCreate(const FIX::SessionID&) {}
  void onLogon(const FIX::SessionID& session) { say("logon " + session.toString()); }
  void onLogout(const FIX::SessionID& session) { say("logout " + session.toString()); }
  void toAdmin(FIX::Message&, const FIX::SessionID&) {}
  void toApp(FIX::Message&, const FIX::SessionID&) throw(FIX::DoNotSend) {}
  void fromAdmin(const FIX::Message&, const FIX::SessionID&) throw(
      FIX::FieldNotFound, FIX::IncorrectDataFormat, FIX::IncorrectTagValue, FIX::RejectLogon) {}

  void fromApp(const FIX::Message& message, const FIX::SessionID& session) throw(
      FIX::FieldNotFound, FIX::IncorrectDataFormat, FIX::IncorrectTagValue,
      FIX::UnsupportedMessageType) {
    // Only orders of others are answered: an echo brings our own back.
    if (message.getHeader().getField(35) != "D" || message.getField(11)[0] == 'Q') return;
    const std::string id = message.getField(11);
    const bool again = message.getHeader().isSetField(43) && message.getHeader().getField(43) == "Y";
    std::lock_guard<std::mutex> lock(mutex);
    if (!seen.insert(id).second && again) return say("duplicate " + id);
    waiting.push_back(std::make_pair(message, session));
    answer_waiting();
  }

  void order(long count, const FIX::SessionID& session) {
    while (count-- > 0) {
      FIX::Message order;
      order.getHeader().setField(35, "D");
      order.setField(11, "Q" + std::to_string(++ordered));
      order.setField(21, "1");
      order.setField(38, "100");
      order.setField(40, "2");
      order.setField(44, "10.25");
      order.setField(54, ordered % 2 ? "1" : "2");
      order.setField(55, "ESZ6");
      order.setField(59, "0");
      order.setField(60, now());
      FIX::Session::sendToTarget(order, session);
    }
  }

  void allow(const std::string& count) {
    std::lock_guard<std::mutex> lock(mutex);
    allowed = count == "all" ? -1 : std::atol(count.c_str());
    answer_waiting();
  }

  // What a process before this one has sent, by its store: a report that is kept was given, and numbers go on behind.
  void remember(const FIX::SessionID& id) {
    FIX::Session* session = FIX::Session::lookupSession(id);
    const int next = session->getExpectedSenderNum();
    std::vector<std::string> messages;
    if (next > 1) session->getStore()->get(1, next - 1, messages);
    for (const std::string& text : messages) {
      const FIX::Message message(text, false);
      const std::string type = message.getHeader().getField(35);
      if (type == "D") ordered = std::atol(message.getField(11).c_str() + 1);
      if (type != "8") continue;
      seen.insert(message.getField(11));
      answered = std::max(answered, std::atol(message.getField(17).c_str() + 1));
    }
    say("ordered " + std::to_string(ordered));
  }

  void forget() {
    std::lock_guard<std::mutex> lock(mutex);
    waiting.clear();
  }

  static std::string now() {
    return FIX::UtcTimeStampConvertor::convert(FIX::UtcTimeStamp(), 3);
  }

 private:
  void answer_waiting() {
    while (!waiting.empty() && allowed != 0) {
      const FIX::Message order = waiting.front().first;
      const FIX::SessionID session = waiting.front().second;
      waiting.pop_front();
      if (allowed > 0) --allowed;
      const bool is_fix42 = session.getBeginString().getString() == "FIX.4.2";
      const std::string number = std::to_string(++answered);
      FIX::Message report;
      report.getHeader().setField(35, "8");
      for (int tag : {1, 11, 38, 44, 54, 55})
        if (order.isSetField(tag)) report.setField(tag, order.getField(tag));
      report.setField(6, order.getField(44));
      report.setField(14, order.getField(38));
      report.setField(17, "E" + number);
      if (is_fix42) report.setField(20, "0");
      report.setField(31, order.getField(44));
      report.setField(32, order.getField(38));
      report.setField(37, "X" + number);
      report.setField(39, "2");
      report.setField(60, now());
      report.setField(150, is_fix42 ? "2" : "F");
      report.setField(151, "0");
      say("answered " + order.getField(11));
      FIX::Session::sendToTarget(report, session);
    }
  }

  std::mutex mutex;
  std::deque<std::pair<FIX::Message, FIX::SessionID> > waiting;
  std::set<std::string> seen;
  long allowed = -1;
  long answered = 0;
  long ordered = 0;
};

// Does one thing that it is told.
inline void obey(const std::string& line, Party& party, FIX::SessionID& session) {
  std::istringstream words(line);
  std::string verb, rest;
  words >> verb;
  std::getline(words >> std::ws, rest);
  FIX::Session* it = FIX::Session::lookupSession(session);
  if (verb == "order") party.order(std::atol(rest.c_str()), session);
  else if (verb == "answer") party.allow(rest);
  else if (verb == "forget") party.forget();
  else if (verb == "next_out") it->setNextSenderMsgSeqNum(std::atoi(rest.c_str()));
  else if (verb == "next_in") it->setNextTargetMsgSeqNum(std::atoi(rest.c_str()));
  else if (verb == "disconnect") it->disconnect();
  else if (verb == "logout") it->logout(rest);
  else if (verb == "logon") it->logon();
  else if (verb == "use") session.fromString(rest);
  else if (verb == "quit") _exit(0);
  else if (verb == "numbers")
    say("numbers " + std::to_string(it->getExpectedSenderNum()) + " " +
        std::to_string(it->getExpectedTargetNum()));
  else if (verb == "test") {
    FIX::Message test;
    test.getHeader().setField(35, "1");
    test.setField(112, rest);
    FIX::Session::sendToTarget(test, session);
  } else say("event no such command: " + line);
}

// Runs an acceptor or initiator with the settings of a file until its input ends.
template <class Engine>
int run(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: " << arguments[0] << " SETTINGS" << std::endl;
    return 2;
  }
  try {
    FIX::SessionSettings settings(arguments[1]);
    // Not the store in memory: of a run that begins with a number never used it finds no message at
    // all (1.15.1), and fills the gap over messages that were sent.
    FIX::FileStoreFactory store(settings);
    LogFactory log(settings);
    Party party;
    Engine engine(party, store, settings, log);
    // A file may have sessions of the other side, too.
    FIX::SessionID session = *engine.getSessions().begin();
    party.remember(session);
    engine.start();
    say("ready");
    for (std::string line; std::getline(std::cin, line);) obey(line, party, session);
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    _exit(1);
  }
  _exit(0);
}

#endif
