// What QuickFIX takes for the messages that fixwire decodes in fix_decode: each is parsed, BodyLength and CheckSum
// verified, and the same ten fields are read by their types; with a dictionary it is validated besides.
//
// usage: quickfix DICTIONARY REPORTS ORDERS, each of the last two a file of whole messages. Prints a line for
// each case: its name, and the least and the median of its samples in nanoseconds a message, with tabs between.

#include <quickfix/DataDictionary.h>
#include <quickfix/Message.h>
#include <quickfix/fix44/ExecutionReport.h>
#include <quickfix/fix44/NewOrderSingle.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

namespace {

const int kSamples = 60;
const int kRounds = 4;

std::vector<std::string> messages_in(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<std::string> messages;
  const std::string trailer = "\00110=";
  for (size_t from = 0; from < bytes.size();) {
    size_t at = bytes.find(trailer, from);
    if (at == std::string::npos) {
      std::fprintf(stderr, "%s: a message without a trailer\n", path);
      std::exit(2);
    }
    size_t end = at + trailer.size() + 4;
    messages.push_back(bytes.substr(from, end - from));
    from = end;
  }
  return messages;
}

double value(const FIX::FieldMap& map, FIX::DoubleField field) {
  map.getField(field);
  return field.getValue();
}

char value(const FIX::FieldMap& map, FIX::CharField field) {
  map.getField(field);
  return field.getValue();
}

size_t value(const FIX::FieldMap& map, FIX::StringField field) {
  map.getField(field);
  return field.getValue().size();
}

long value(const FIX::FieldMap& map, FIX::UtcTimeStampField field) {
  map.getField(field);
  return field.getValue().getMillisecond();
}

// MsgSeqNum, both times and ClOrdID.
double four(const FIX::Message& message) {
  FIX::MsgSeqNum seq;
  message.getHeader().getField(seq);
  return seq.getValue() + value(message.getHeader(), FIX::UtcTimeStampField(52)) +
         value(message, FIX::UtcTimeStampField(60)) + value(message, FIX::StringField(11));
}

double report(const FIX::Message& message) {
  double read = four(message);
  for (int tag : {6, 31, 32, 14, 151}) read += value(message, FIX::DoubleField(tag));
  return read + value(message, FIX::CharField(39));
}

double order(const FIX::Message& message) {
  double read = four(message);
  for (int tag : {44, 38}) read += value(message, FIX::DoubleField(tag));
  for (int tag : {54, 40, 59}) read += value(message, FIX::CharField(tag));
  return read + value(message, FIX::StringField(55));
}

volatile double sink;

void measure(const char* name, const std::vector<std::string>& messages,
             const std::function<double(const std::string&)>& step) {
  std::vector<double> samples;
  for (const std::string& message : messages) sink = step(message);
  for (int sample = 0; sample < kSamples; ++sample) {
    auto begun = std::chrono::steady_clock::now();
    for (int round = 0; round < kRounds; ++round)
      for (const std::string& message : messages) sink = step(message);
    std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - begun;
    samples.push_back(taken.count() / (kRounds * messages.size()));
  }
  std::sort(samples.begin(), samples.end());
  std::printf("%s\t%.0f\t%.0f\n", name, samples.front(), samples[samples.size() / 2]);
}

void measure_all(const std::string& what, const std::vector<std::string>& messages,
                 const FIX::DataDictionary& dictionary, double (*read)(const FIX::Message&)) {
  FIX::Message message;
  measure((what + ", no dictionary").c_str(), messages, [&](const std::string& text) {
    message.setString(text, true);
    return read(message);
  });
  measure((what + ", dictionary and validate").c_str(), messages, [&](const std::string& text) {
    message.setString(text, true, &dictionary);
    dictionary.validate(message);
    return read(message);
  });
}

// Whoever is measured refuses a wrong CheckSum, or nothing is compared.
void refuses_a_wrong_sum(std::string message) {
  size_t last = message.size() - 2;
  message[last] = message[last] == '9' ? '0' : message[last] + 1;
  try {
    FIX::Message read(message, true);
  } catch (const FIX::InvalidMessage&) {
    return;
  }
  std::fprintf(stderr, "QuickFIX takes a wrong CheckSum\n");
  std::exit(1);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fprintf(stderr, "usage: quickfix DICTIONARY REPORTS ORDERS\n");
    return 2;
  }
  try {
    FIX::DataDictionary dictionary(arguments[1]);
    std::vector<std::string> reports = messages_in(arguments[2]), orders = messages_in(arguments[3]);
    refuses_a_wrong_sum(reports.front());
    measure_all("fix_decode/report", reports, dictionary, report);
    measure_all("fix_decode/order", orders, dictionary, order);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
