// Two clocks that tick as they like, and resets of one side at any time. Who asks and who is asked keep AXI's rules.
`default_nettype none

module axil_cdc_formal (
  input wire        s_clk,
  input wire        s_rst,
  input wire        m_clk,
  input wire        m_rst,
  // All bits of a number are treated alike: few stand for all.
  input wire        awaddr,
  input wire        awvalid,
  input wire        wdata,
  input wire        wstrb,
  input wire        wvalid,
  input wire        bready,
  input wire        araddr,
  input wire        arvalid,
  input wire        rready,
  input wire        m_awready,
  input wire        m_wready,
  input wire [1:0]  m_bresp,
  input wire        m_bvalid,
  input wire        m_arready,
  input wire        m_rdata,
  input wire [1:0]  m_rresp,
  input wire        m_rvalid
);

  localparam SLVERR = 2'b10;
  // How long after m_rst a request can still be one that was asked before its end, in m_clk's cycles.
  localparam SETTLES = 3;

  wire awready, wready, bvalid, arready, rvalid;
  wire [1:0] bresp, rresp;
  wire m_awaddr, m_araddr;
  wire [31:0] rdata, m_wdata;
  wire [3:0] m_wstrb;
  wire m_awvalid, m_wvalid, m_arvalid, m_bready, m_rready;

  axil_cdc #(.ADDR_W(1)) dut (
    .s_clk(s_clk), .s_rst(s_rst), .s_axil_awaddr(awaddr), .s_axil_awvalid(awvalid), .s_axil_awready(awready),
    .s_axil_wdata({31'd0, wdata}), .s_axil_wstrb({3'd0, wstrb}), .s_axil_wvalid(wvalid), .s_axil_wready(wready),
    .s_axil_bresp(bresp), .s_axil_bvalid(bvalid), .s_axil_bready(bready), .s_axil_araddr(araddr),
    .s_axil_arvalid(arvalid), .s_axil_arready(arready), .s_axil_rdata(rdata), .s_axil_rresp(rresp),
    .s_axil_rvalid(rvalid), .s_axil_rready(rready), .m_clk(m_clk), .m_rst(m_rst), .m_axil_awaddr(m_awaddr),
    .m_axil_awvalid(m_awvalid), .m_axil_awready(m_awready), .m_axil_wdata(m_wdata), .m_axil_wstrb(m_wstrb),
    .m_axil_wvalid(m_wvalid), .m_axil_wready(m_wready), .m_axil_bresp(m_bresp), .m_axil_bvalid(m_bvalid),
    .m_axil_bready(m_bready), .m_axil_araddr(m_araddr), .m_axil_arvalid(m_arvalid), .m_axil_arready(m_arready),
    .m_axil_rdata({31'd0, m_rdata}), .m_axil_rresp(m_rresp), .m_axil_rvalid(m_rvalid), .m_axil_rready(m_rready)
  );

  // With the power both are in reset, until each clock has ticked.
  reg s_started = 1'b0, m_started = 1'b0;
  wire started = s_started && m_started;

  // Requests by their numbers: the last that was asked, begun and done, and the last whose answer may be a reset's.
  reg [1:0] asked = 0, begun = 0, done = 0, refusable = 0;
  // The last that was asked when m_rst was last seen.
  reg [1:0] asked_before = 0;

  // --- Who asks, and what it is told ------------------------------------------------------------------

  // A request of after the last reset of this side is not answered.
  reg s_is_write = 1'b0, s_is_read = 1'b0;
  // A request is not answered, of before or after a reset.
  reg is_open = 1'b0;
  reg request_is_write;
  reg request_addr, request_data, request_strobe;
  reg b_waited = 1'b0, r_waited = 1'b0;
  reg aw_waited = 1'b0, w_waited = 1'b0, ar_waited = 1'b0;
  reg was_awaddr, was_wdata, was_wstrb, was_araddr;
  reg [1:0] was_bresp, was_rresp;
  reg [31:0] was_rdata;
  wire asks_write = awvalid && awready, asks_read = arvalid && arready;
  wire s_answers = bvalid || rvalid;

  // What was told by whoever was asked.
  reg [1:0] answer_code;
  reg answer_data;
  wire is_own = done == asked && (bvalid ? bresp == answer_code : rresp == answer_code && rdata == answer_data);
  wire is_refusal = refusable == asked && (bvalid ? bresp : rresp) == SLVERR;

  always @(posedge s_clk) begin
    s_started <= 1'b1;
    if (!started) assume (s_rst);
    // AXI's rules for who asks.
    if (aw_waited && !s_rst) assume (awvalid && awaddr == was_awaddr);
    if (w_waited && !s_rst) assume (wvalid && {wdata, wstrb} == {was_wdata, was_wstrb});
    if (ar_waited && !s_rst) assume (arvalid && araddr == was_araddr);
    aw_waited <= !s_rst && awvalid && !awready;
    w_waited <= !s_rst && wvalid && !wready;
    ar_waited <= !s_rst && arvalid && !arready;
    {was_awaddr, was_wdata, was_wstrb, was_araddr} <= {awaddr, wdata, wstrb, araddr};
    b_waited <= !s_rst && bvalid && !bready;
    r_waited <= !s_rst && rvalid && !rready;
    {was_bresp, was_rresp, was_rdata} <= {bresp, rresp, rdata};
    is_open <= (!s_rst && (asks_write || asks_read)) || (is_open && !s_answers);
    if (s_rst) begin
      s_is_write <= 0;
      s_is_read <= 0;
    end else begin
      s_is_write <= s_is_write ? !(bvalid && bready) : asks_write;
      s_is_read <= s_is_read ? !(rvalid && rready) : asks_read;
      if (asks_write || asks_read) begin
        asked <= asked + 1;
        request_is_write <= asks_write;
        request_addr <= asks_write ? awaddr : araddr;
        request_data <= wdata;
        request_strobe <= wstrb;
      end
    end
    if (started && !s_rst) begin
      // property: an answer that waits stays as it is
      if (b_waited) assert (bvalid && bresp == was_bresp);
      if (r_waited) assert (rvalid && rresp == was_rresp && rdata == was_rdata);
      // property: a write's address and data are taken together, and one transaction at a time
      assert (awready == wready && (!awready || (awvalid && wvalid)) && !(asks_write && asks_read));
      if (s_is_write || s_is_read) assert (!awready && !wready && !arready);
      // property: an answer has a request, of its kind, and one
      assert ((!bvalid || s_is_write) && (!rvalid || s_is_read));
      // property: an answer is that of its own request, or a refusal by a reset
      if (s_answers) assert (is_own || is_refusal);
    end
  end

  // --- Who is asked, and what it tells ----------------------------------------------------------------

  // A request that is there and not done, and of which parts it has been taken.
  reg works = 1'b0, aw_taken = 1'b0, w_taken = 1'b0, ar_taken = 1'b0;
  reg m_aw_waited = 1'b0, m_w_waited = 1'b0, m_ar_waited = 1'b0;
  reg m_b_waited = 1'b0, m_r_waited = 1'b0;
  reg m_was_awaddr, m_was_araddr, m_was_rdata;
  reg [1:0] m_was_bresp, m_was_rresp;
  reg [31:0] m_was_wdata;
  reg [3:0] m_was_wstrb;
  reg [SETTLES-1:0] settles = 0;
  // Nothing was begun since m_rst.
  reg is_fresh = 1'b0;
  wire has_begun = (m_awvalid || m_wvalid || m_arvalid) && !works;
  wire m_answers = (m_bvalid && m_bready) || (m_rvalid && m_rready);

  always @(posedge m_clk) begin
    m_started <= 1'b1;
    if (!started) assume (m_rst);
    // AXI's rules for who is asked.
    if (m_bvalid) assume (aw_taken && w_taken);
    if (m_rvalid) assume (ar_taken);
    if (m_b_waited) assume (m_bvalid && m_bresp == m_was_bresp);
    if (m_r_waited) assume (m_rvalid && {m_rresp, m_rdata} == {m_was_rresp, m_was_rdata});
    m_b_waited <= !m_rst && m_bvalid && !m_bready;
    m_r_waited <= !m_rst && m_rvalid && !m_rready;
    {m_was_bresp, m_was_rresp, m_was_rdata} <= {m_bresp, m_rresp, m_rdata};
    m_aw_waited <= !m_rst && m_awvalid && !m_awready;
    m_w_waited <= !m_rst && m_wvalid && !m_wready;
    m_ar_waited <= !m_rst && m_arvalid && !m_arready;
    {m_was_awaddr, m_was_araddr, m_was_wdata, m_was_wstrb} <= {m_awaddr, m_araddr, m_wdata, m_wstrb};
    settles <= m_rst ? {SETTLES{1'b1}} : settles << 1;
    if (m_rst || settles[SETTLES-1]) begin
      refusable <= asked;
      // Those before the last will never be begun.
      if (begun != asked) begun <= asked - 1;
    end
    if (m_rst) begin
      {works, aw_taken, w_taken, ar_taken} <= 0;
      asked_before <= asked;
      is_fresh <= 1;
    end else begin
      if (has_begun) begin
        begun <= asked;
        is_fresh <= 0;
      end
      works <= (works || has_begun) && !m_answers;
      aw_taken <= (aw_taken || (m_awvalid && m_awready)) && !m_answers;
      w_taken <= (w_taken || (m_wvalid && m_wready)) && !m_answers;
      ar_taken <= (ar_taken || (m_arvalid && m_arready)) && !m_answers;
      if (m_answers) begin
        done <= begun;
        answer_code <= m_bvalid ? m_bresp : m_rresp;
        answer_data <= m_rdata;
      end
    end
    if (started && !m_rst) begin
      // property: a request that waits stays as it is
      if (m_aw_waited) assert (m_awvalid && m_awaddr == m_was_awaddr);
      if (m_w_waited) assert (m_wvalid && {m_wdata, m_wstrb} == {m_was_wdata, m_was_wstrb});
      if (m_ar_waited) assert (m_arvalid && m_araddr == m_was_araddr);
      // property: what is asked for here was asked for there, whole, and is asked for once
      assert (!(m_awvalid && aw_taken) && !(m_wvalid && w_taken) && !(m_arvalid && ar_taken));
      if (has_begun) begin
        assert (is_open && begun != asked);
        assert ({m_awvalid, m_wvalid, m_arvalid} == (request_is_write ? 3'b110 : 3'b001));
        assert ((m_arvalid ? m_araddr : m_awaddr) == request_addr);
        if (m_awvalid) assert (m_wdata == request_data && m_wstrb == request_strobe);
      end
      // property: nothing that was asked for before a reset is done after it
      if (has_begun) assert (!is_fresh || asked != asked_before);
    end
  end

endmodule

`default_nettype wire
