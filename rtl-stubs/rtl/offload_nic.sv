// Both sides behind their registers: offload_pipe for what is received, checksum_tx for what is sent, the register
// block of regs/offload.rdl, and AXI4-Lite from another clock domain. Streams, registers, counters, clock and table
// are of one domain: one transaction crosses at a time, so that nothing else has to.
`default_nettype none

module offload_nic #(
  parameter int DATA_W = 64,
  localparam int BYTES = DATA_W / 8
) (
  input  wire              clk,
  input  wire              rst,

  input  wire [DATA_W-1:0] s_axis_tdata,
  input  wire [BYTES-1:0]  s_axis_tkeep,
  input  wire              s_axis_tvalid,
  output wire              s_axis_tready,
  input  wire              s_axis_tlast,
  input  wire              s_axis_tuser,

  output wire [DATA_W-1:0] m_axis_tdata,
  output wire [BYTES-1:0]  m_axis_tkeep,
  output wire              m_axis_tvalid,
  input  wire              m_axis_tready,
  output wire              m_axis_tlast,
  // As offload_pipe has them.
  output wire [3:0]        m_queue,
  output wire              m_hit,
  output wire [3:0]        m_rule,
  output wire              m_marked,
  output wire [31:0]       m_mark,
  output wire              m_is_segment,
  output wire [1:0]        m_verdict_l3,
  output wire [1:0]        m_verdict_l4,
  output wire [15:0]       m_raw_sum,
  output wire [16:0]       m_len,
  output wire [95:0]       m_stamp_tod,
  output wire [63:0]       m_stamp_count,
  output wire [15:0]       m_stamp_generation,

  // Frames to send, from the host and to the wire, as checksum_tx has them.
  input  wire [DATA_W-1:0] s_axis_tx_tdata,
  input  wire [BYTES-1:0]  s_axis_tx_tkeep,
  input  wire              s_axis_tx_tvalid,
  output wire              s_axis_tx_tready,
  input  wire              s_axis_tx_tlast,
  input  wire [17:0]       s_axis_tx_tuser,

  output wire [DATA_W-1:0] m_axis_tx_tdata,
  output wire [BYTES-1:0]  m_axis_tx_tkeep,
  output wire              m_axis_tx_tvalid,
  input  wire              m_axis_tx_tready,
  output wire              m_axis_tx_tlast,

  input  wire              axil_clk,
  input  wire              axil_rst,
  input  wire [8:0]        s_axil_awaddr,
  input  wire              s_axil_awvalid,
  output wire              s_axil_awready,
  input  wire [31:0]       s_axil_wdata,
  input  wire [3:0]        s_axil_wstrb,
  input  wire              s_axil_wvalid,
  output wire              s_axil_wready,
  output wire [1:0]        s_axil_bresp,
  output wire              s_axil_bvalid,
  input  wire              s_axil_bready,
  input  wire [8:0]        s_axil_araddr,
  input  wire              s_axil_arvalid,
  output wire              s_axil_arready,
  output wire [31:0]       s_axil_rdata,
  output wire [1:0]        s_axil_rresp,
  output wire              s_axil_rvalid,
  input  wire              s_axil_rready
);

  localparam int RULES = 16;
  localparam int QUEUES = 16;
  localparam int BUFFER_BYTES = 32768;
  localparam int FRAMES = 256;
  // Capability n in bit n, of offload/src/capability.rs: both checksums of what is received and of what is sent, stamps
  // by a clock that tells the time of day, and steering with masks, drop, mark, count and isolation.
  localparam logic [31:0] CAPABILITIES = 32'b1111_1111_1111;

  // --- The registers, in the stream's domain ----------------------------------------------------------

  wire [8:0]  awaddr, araddr;
  wire        awvalid, awready, wvalid, wready, bvalid, bready, arvalid, arready, rvalid, rready;
  wire [31:0] wdata, rdata;
  wire [3:0]  wstrb;
  wire [1:0]  bresp, rresp;

  axil_cdc #(.ADDR_W(9)) crossing (
    .s_clk(axil_clk), .s_rst(axil_rst), .s_axil_awaddr(s_axil_awaddr), .s_axil_awvalid(s_axil_awvalid),
    .s_axil_awready(s_axil_awready), .s_axil_wdata(s_axil_wdata), .s_axil_wstrb(s_axil_wstrb),
    .s_axil_wvalid(s_axil_wvalid), .s_axil_wready(s_axil_wready), .s_axil_bresp(s_axil_bresp),
    .s_axil_bvalid(s_axil_bvalid), .s_axil_bready(s_axil_bready), .s_axil_araddr(s_axil_araddr),
    .s_axil_arvalid(s_axil_arvalid), .s_axil_arready(s_axil_arready), .s_axil_rdata(s_axil_rdata),
    .s_axil_rresp(s_axil_rresp), .s_axil_rvalid(s_axil_rvalid), .s_axil_rready(s_axil_rready),
    .m_clk(clk), .m_rst(rst), .m_axil_awaddr(awaddr), .m_axil_awvalid(awvalid), .m_axil_awready(awready),
    .m_axil_wdata(wdata), .m_axil_wstrb(wstrb), .m_axil_wvalid(wvalid), .m_axil_wready(wready), .m_axil_bresp(bresp),
    .m_axil_bvalid(bvalid), .m_axil_bready(bready), .m_axil_araddr(araddr), .m_axil_arvalid(arvalid),
    .m_axil_arready(arready), .m_axil_rdata(rdata), .m_axil_rresp(rresp), .m_axil_rvalid(rvalid),
    .m_axil_rready(rready)
  );

  offload_regs_pkg::offload_regs__in_t  regs_in;
  offload_regs_pkg::offload_regs__out_t regs;

  offload_regs registers (
    .clk(clk), .rst(rst), .s_axil_awready(awready), .s_axil_awvalid(awvalid), .s_axil_awaddr(awaddr),
    .s_axil_awprot(3'b000), .s_axil_wready(wready), .s_axil_wvalid(wvalid), .s_axil_wdata(wdata),
    .s_axil_wstrb(wstrb), .s_axil_bready(bready), .s_axil_bvalid(bvalid), .s_axil_bresp(bresp),
    .s_axil_arready(arready), .s_axil_arvalid(arvalid), .s_axil_araddr(araddr), .s_axil_arprot(3'b000),
    .s_axil_rready(rready), .s_axil_rvalid(rvalid), .s_axil_rdata(rdata), .s_axil_rresp(rresp),
    .hwif_in(regs_in), .hwif_out(regs)
  );

  // --- What they set ----------------------------------------------------------------------------------

  wire [31:0] generation;
  wire [47:0] hits, bytes;
  wire [95:0] tod;
  wire [63:0] count;
  wire [15:0] clock_generation;
  wire        drop_valid, delivered, drop_mac_error, drop_too_long, drop_buffer_full, drop_not_ours, drop_flow_drop;
  wire [2:0]  drop_code;
  wire        tx_drop_valid, tx_finished, tx_passed, tx_drop_too_long, tx_drop_lengths;
  wire [2:0]  tx_drop_code;

  logic [7:0]  period_ns;
  logic [31:0] period_fraction;
  logic [95:0] tod_latched;
  logic [63:0] count_latched;
  logic [15:0] generation_latched;
  logic [2:0]  code_last, tx_code_last;

  // What cannot be done as it is asked is not done, and told by an event.
  wire names_rule = regs.flow_index.index.value < 8'(RULES);
  wire flow_refused = (regs.flow_commit.commit.value || regs.flow_commit.latch.value) && !names_rule;
  wire names_time = regs.set_ns.ns.value < 30'd1_000_000_000;
  wire step_refused = regs.clock_commit.step.value && !names_time;

  // What the receive buffer holds, a cycle later.
  wire [$clog2(BUFFER_BYTES / BYTES):0] beats;
  wire [$clog2(FRAMES):0]               frames;
  logic [15:0] held_bytes, held_frames;

  always_ff @(posedge clk) begin
    held_bytes <= rst ? '0 : 16'(beats) << $clog2(BYTES);
    held_frames <= rst ? '0 : 16'(frames);
  end

  always_ff @(posedge clk) begin
    if (rst) begin
      period_ns <= '0;
      period_fraction <= '0;
      code_last <= '0;
      tx_code_last <= '0;
    end else begin
      if (regs.clock_commit.period.value) begin
        period_ns <= regs.clock_ns.ns.value;
        period_fraction <= regs.clock_fraction.fraction.value;
      end
      if (drop_valid) code_last <= drop_code;
      if (tx_drop_valid) tx_code_last <= tx_drop_code;
    end
    if (regs.clock_commit.latch.value) begin
      tod_latched <= tod;
      count_latched <= count;
      generation_latched <= clock_generation;
    end
  end

  offload_pipe #(.DATA_W(DATA_W), .BUFFER_BYTES(BUFFER_BYTES), .FRAMES(FRAMES), .RULES(RULES)) pipe (
    .clk(clk), .rst(rst), .s_axis_tdata(s_axis_tdata), .s_axis_tkeep(s_axis_tkeep), .s_axis_tvalid(s_axis_tvalid),
    .s_axis_tready(s_axis_tready), .s_axis_tlast(s_axis_tlast), .s_axis_tuser(s_axis_tuser),
    .m_axis_tdata(m_axis_tdata), .m_axis_tkeep(m_axis_tkeep), .m_axis_tvalid(m_axis_tvalid),
    .m_axis_tready(m_axis_tready), .m_axis_tlast(m_axis_tlast), .m_queue(m_queue), .m_hit(m_hit), .m_rule(m_rule),
    .m_marked(m_marked), .m_mark(m_mark), .m_is_segment(m_is_segment), .m_verdict_l3(m_verdict_l3),
    .m_verdict_l4(m_verdict_l4), .m_raw_sum(m_raw_sum), .m_len(m_len), .m_stamp_tod(m_stamp_tod),
    .m_stamp_count(m_stamp_count), .m_stamp_generation(m_stamp_generation),
    .enable_l3(regs.enables.rx_ipv4_checksum.value), .enable_l4(regs.enables.rx_tcp_checksum.value),
    .miss_is_ours(regs.enables.miss_is_ours.value), .miss_queue(regs.enables.miss_queue.value),
    .write_valid(regs.flow_commit.commit.value && names_rule), .write_index(regs.flow_index.index.value[3:0]),
    .write_enable(regs.flow_actions.enable.value), .write_priority(regs.flow_actions.priority_.value),
    .write_value({regs.flow_value_src.bits.value, regs.flow_value_dst.bits.value, regs.flow_value_ports.bits.value,
                  1'b0, regs.flow_value_kind.bits.value}),
    .write_mask({regs.flow_mask_src.bits.value, regs.flow_mask_dst.bits.value, regs.flow_mask_ports.bits.value,
                 1'b0, regs.flow_mask_kind.bits.value}),
    .write_drop(regs.flow_actions.drop.value), .write_queue(regs.flow_actions.destination.value),
    .write_marks(regs.flow_actions.marks.value), .write_mark(regs.flow_mark.mark.value),
    .write_counts(regs.flow_actions.counts.value), .generation(generation),
    .read_valid(regs.flow_commit.latch.value && names_rule), .read_index(regs.flow_index.index.value[3:0]),
    .read_hits(hits), .read_bytes(bytes), .period_ns(period_ns), .period_fraction(period_fraction),
    .set_valid(regs.clock_commit.step.value && names_time),
    .set_seconds({regs.set_seconds_high.high.value, regs.set_seconds_low.low.value}),
    .set_ns(regs.set_ns.ns.value), .tod(tod), .count(count), .clock_generation(clock_generation),
    .drop_valid(drop_valid), .drop_code(drop_code), .stat_delivered(delivered), .stat_drop_mac_error(drop_mac_error),
    .stat_drop_too_long(drop_too_long), .stat_drop_buffer_full(drop_buffer_full),
    .stat_drop_not_ours(drop_not_ours), .stat_drop_flow_drop(drop_flow_drop), .held_beats(beats),
    .held_frames(frames)
  );

  checksum_tx #(.DATA_W(DATA_W)) finisher (
    .clk(clk), .rst(rst), .s_axis_tdata(s_axis_tx_tdata), .s_axis_tkeep(s_axis_tx_tkeep),
    .s_axis_tvalid(s_axis_tx_tvalid), .s_axis_tready(s_axis_tx_tready), .s_axis_tlast(s_axis_tx_tlast),
    .s_axis_tuser(s_axis_tx_tuser), .enable_l3(regs.enables.tx_ipv4_checksum.value),
    .enable_l4(regs.enables.tx_tcp_checksum.value), .m_axis_tdata(m_axis_tx_tdata), .m_axis_tkeep(m_axis_tx_tkeep),
    .m_axis_tvalid(m_axis_tx_tvalid), .m_axis_tready(m_axis_tx_tready), .m_axis_tlast(m_axis_tx_tlast),
    .drop_valid(tx_drop_valid), .drop_code(tx_drop_code), .stat_finished(tx_finished), .stat_passed(tx_passed),
    .stat_drop_too_long(tx_drop_too_long), .stat_drop_lengths(tx_drop_lengths)
  );

  // --- What they show ---------------------------------------------------------------------------------

  always_comb begin
    regs_in.capabilities.bits.next = CAPABILITIES;
    regs_in.shape.stream_bytes.next = 8'(BYTES);
    regs_in.shape.rules.next = 8'(RULES);
    regs_in.shape.queues.next = 8'(QUEUES);
    regs_in.flow_generation.writes.next = generation;
    regs_in.flow_hits_low.bits.next = hits[31:0];
    regs_in.flow_hits_high.bits.next = {16'd0, hits[47:32]};
    regs_in.flow_bytes_low.bits.next = bytes[31:0];
    regs_in.flow_bytes_high.bits.next = {16'd0, bytes[47:32]};
    regs_in.now_fraction.bits.next = {16'd0, tod_latched[15:0]};
    regs_in.now_ns.bits.next = tod_latched[47:16];
    regs_in.now_seconds_low.bits.next = tod_latched[79:48];
    regs_in.now_seconds_high.bits.next = {16'd0, tod_latched[95:80]};
    regs_in.now_count_low.bits.next = count_latched[31:0];
    regs_in.now_count_high.bits.next = count_latched[63:32];
    regs_in.clock_generation.bits.next = {16'd0, generation_latched};
    regs_in.delivered.frames.incr = delivered;
    regs_in.drop_mac_error.frames.incr = drop_mac_error;
    regs_in.drop_too_long.frames.incr = drop_too_long;
    regs_in.drop_buffer_full.frames.incr = drop_buffer_full;
    regs_in.drop_not_ours.frames.incr = drop_not_ours;
    regs_in.drop_flow_drop.frames.incr = drop_flow_drop;
    regs_in.tx_finished.frames.incr = tx_finished;
    regs_in.tx_passed.frames.incr = tx_passed;
    regs_in.tx_drop_too_long.frames.incr = tx_drop_too_long;
    regs_in.tx_drop_lengths.frames.incr = tx_drop_lengths;
    regs_in.last_drop.code.next = code_last;
    regs_in.tx_last_drop.code.next = tx_code_last;
    regs_in.events.rx_drop.hwset = drop_valid;
    regs_in.events.rx_overflow.hwset = drop_buffer_full;
    regs_in.events.tx_drop.hwset = tx_drop_valid;
    regs_in.events.flow_refused.hwset = flow_refused;
    regs_in.events.step_refused.hwset = step_refused;
    regs_in.rx_peak.bytes.next = held_bytes;
    regs_in.rx_peak.bytes.we = held_bytes > regs.rx_peak.bytes.value;
    regs_in.rx_peak.frames.next = held_frames;
    regs_in.rx_peak.frames.we = held_frames > regs.rx_peak.frames.value;
    regs_in.rx_buffer.bytes.next = 16'(BUFFER_BYTES);
    regs_in.rx_buffer.frames.next = 16'(FRAMES);
  end

endmodule

`default_nettype wire
