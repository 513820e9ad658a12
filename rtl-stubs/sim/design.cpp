// The Verilated offload_nic behind a C ABI: a cycle at a time, every width in one shape.
#include "design.h"

#include <cstring>
#include <memory>
#include <mutex>

#include "Voffload_nic_512.h"
#include "Voffload_nic_64.h"
#include "verilated_fst_c.h"

// What src/design/abi.rs asserts too.
static_assert(sizeof(fixwire_rtl_in) == 176 && sizeof(fixwire_rtl_out) == 200);

namespace {

// Half a cycle, in the waves' units of 1 ps: 156.25 MHz, whatever the width.
constexpr std::uint64_t HALF_CYCLE = 3200;

class Design {
 public:
  virtual ~Design() = default;
  virtual void step(const fixwire_rtl_in &in, fixwire_rtl_out &out, std::uint32_t edges) = 0;
};

// Ports of up to 64 bits are numbers, wider ones arrays of words.
template <typename T>
void put(T &port, const void *from) {
  std::memcpy(&port, from, sizeof port);
}

template <typename T>
void take(void *to, const T &port) {
  std::memcpy(to, &port, sizeof port);
}

std::uint64_t bits(const WData *words, unsigned at, unsigned len) {
  std::uint64_t found = 0;
  for (unsigned i = 0; i < len; i++) found |= std::uint64_t(words[(at + i) / 32] >> (at + i) % 32 & 1) << i;
  return found;
}

template <typename Model>
class Verilated_ : public Design {
 public:
  Verilated_(std::uint32_t seed, const char *fst) {
    // Another's seed, given while this draws, would have Verilator begin this one's anew.
    static std::mutex draws;
    std::lock_guard<std::mutex> alone(draws);
    context_.randReset(2);
    // Of 0 Verilator makes one by the time and the process.
    context_.randSeed(static_cast<int>(seed << 1 | 1));
    context_.traceEverOn(fst != nullptr);
    model_ = std::make_unique<Model>(&context_, "offload_nic");
    if (fst != nullptr) {
      waves_ = std::make_unique<VerilatedFstC>();
      model_->trace(waves_.get(), 99);
      waves_->open(fst);
    }
  }

  ~Verilated_() override {
    model_->final();
    if (waves_) waves_->close();
  }

  void step(const fixwire_rtl_in &in, fixwire_rtl_out &out, std::uint32_t edges) override {
    Model &m = *model_;
    put(m.s_axis_tdata, in.tdata);
    put(m.s_axis_tkeep, &in.tkeep);
    m.rst = in.rst;
    m.s_axis_tvalid = in.tvalid;
    m.s_axis_tlast = in.tlast;
    m.s_axis_tuser = in.tuser;
    m.m_axis_tready = in.m_tready;
    put(m.s_axis_tx_tdata, in.tx_tdata);
    put(m.s_axis_tx_tkeep, &in.tx_tkeep);
    m.s_axis_tx_tvalid = in.tx_tvalid;
    m.s_axis_tx_tlast = in.tx_tlast;
    m.s_axis_tx_tuser = in.tx_tuser;
    m.m_axis_tx_tready = in.m_tx_tready;
    m.axil_rst = in.axil_rst;
    m.s_axil_awaddr = in.awaddr;
    m.s_axil_awvalid = in.awvalid;
    m.s_axil_wdata = in.wdata;
    m.s_axil_wstrb = 0xf;
    m.s_axil_wvalid = in.wvalid;
    m.s_axil_bready = in.bready;
    m.s_axil_araddr = in.araddr;
    m.s_axil_arvalid = in.arvalid;
    m.s_axil_rready = in.rready;
    m.clk = 0;
    m.axil_clk = 0;
    settle();

    out.tready = m.s_axis_tready;
    out.m_tvalid = m.m_axis_tvalid;
    out.m_tlast = m.m_axis_tlast;
    if (m.m_axis_tvalid) {
      take(out.tdata, m.m_axis_tdata);
      out.tkeep = m.m_axis_tkeep;
      out.said = std::uint64_t(m.m_queue) | std::uint64_t(m.m_hit) << 4 | std::uint64_t(m.m_rule) << 5 |
                 std::uint64_t(m.m_marked) << 9 | std::uint64_t(m.m_is_segment) << 10 |
                 std::uint64_t(m.m_verdict_l3) << 11 | std::uint64_t(m.m_verdict_l4) << 13 |
                 std::uint64_t(m.m_raw_sum) << 15 | std::uint64_t(m.m_len) << 31;
      out.mark = m.m_mark;
      const WData *tod = &m.m_stamp_tod[0];
      out.stamp_fraction = static_cast<std::uint16_t>(bits(tod, 0, 16));
      out.stamp_ns = static_cast<std::uint32_t>(bits(tod, 16, 32));
      out.stamp_seconds = bits(tod, 48, 48);
      out.stamp_count = m.m_stamp_count;
      out.stamp_generation = m.m_stamp_generation;
    }
    out.tx_tready = m.s_axis_tx_tready;
    out.m_tx_tvalid = m.m_axis_tx_tvalid;
    out.m_tx_tlast = m.m_axis_tx_tlast;
    if (m.m_axis_tx_tvalid) {
      take(out.tx_tdata, m.m_axis_tx_tdata);
      out.tx_tkeep = m.m_axis_tx_tkeep;
    }
    out.awready = m.s_axil_awready;
    out.wready = m.s_axil_wready;
    out.bvalid = m.s_axil_bvalid;
    out.bresp = m.s_axil_bresp;
    out.arready = m.s_axil_arready;
    out.rvalid = m.s_axil_rvalid;
    out.rresp = m.s_axil_rresp;
    out.rdata = m.s_axil_rdata;

    m.clk = edges & 1;
    m.axil_clk = edges >> 1 & 1;
    settle();
  }

 private:
  void settle() {
    model_->eval();
    if (waves_) waves_->dump(time_);
    time_ += HALF_CYCLE;
  }

  VerilatedContext context_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<VerilatedFstC> waves_;
  std::uint64_t time_ = 0;
};

}  // namespace

extern "C" {

void *fixwire_rtl_new(std::uint32_t width, std::uint32_t seed, const char *fst) {
  switch (width) {
    case 64: return static_cast<Design *>(new Verilated_<Voffload_nic_64>(seed, fst));
    case 512: return static_cast<Design *>(new Verilated_<Voffload_nic_512>(seed, fst));
    default: return nullptr;
  }
}

void fixwire_rtl_step(void *design, const fixwire_rtl_in *in, fixwire_rtl_out *out, std::uint32_t edges) {
  static_cast<Design *>(design)->step(*in, *out, edges);
}

void fixwire_rtl_free(void *design) { delete static_cast<Design *>(design); }

}
