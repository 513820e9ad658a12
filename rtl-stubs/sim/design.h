// The pins of offload_nic in one shape for every width: what src/design/abi.rs has as #[repr(C)].
#pragma once

#include <cstdint>

extern "C" {

// Before a cycle. Lanes past the design's width are not looked at. What begins with tx is of frames to send.
struct fixwire_rtl_in {
  std::uint8_t tdata[64], tx_tdata[64];
  std::uint64_t tkeep, tx_tkeep;
  std::uint32_t wdata, tx_tuser;
  std::uint16_t awaddr;
  std::uint16_t araddr;
  std::uint8_t rst, tvalid, tlast, tuser, m_tready;
  std::uint8_t tx_tvalid, tx_tlast, m_tx_tready;
  std::uint8_t axil_rst, awvalid, wvalid, bready, arvalid, rready;
};

// As they are when the cycle ends, before its edge.
struct fixwire_rtl_out {
  std::uint8_t tdata[64], tx_tdata[64];
  std::uint64_t tkeep, tx_tkeep;
  // From bit 0: queue 4, hit 1, rule 4, marked 1, is_segment 1, verdict_l3 2, verdict_l4 2, raw_sum 16, len 17.
  std::uint64_t said;
  std::uint64_t stamp_seconds, stamp_count;
  std::uint32_t stamp_ns, mark, rdata;
  std::uint16_t stamp_fraction, stamp_generation;
  std::uint8_t tready, m_tvalid, m_tlast;
  std::uint8_t tx_tready, m_tx_tvalid, m_tx_tlast;
  std::uint8_t awready, wready, bvalid, bresp, arready, rvalid, rresp;
};

// A design of `width` bits, its state before the reset drawn by `seed`; waves to the file `fst` if there is one.
// Null for a width that was not built.
void *fixwire_rtl_new(std::uint32_t width, std::uint32_t seed, const char *fst);

// One cycle: inputs, settled outputs, and then the rising edge of the stream's clock, of the bus's (`edges` 1, 2), or
// of both.
void fixwire_rtl_step(void *design, const fixwire_rtl_in *in, fixwire_rtl_out *out, std::uint32_t edges);

void fixwire_rtl_free(void *design);
}
