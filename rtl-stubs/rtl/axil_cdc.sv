// Takes AXI4-Lite from one clock domain into another, one transaction at a time.
//
// A request is laid down whole, and then a bit is turned; the bit goes through two flip-flops, and only when it is
// seen turned is the request looked at, which has not changed since. The answer comes back the same way. So nothing
// that is wider than one bit is ever taken while it changes, however the two clocks stand to each other.
//
// Where both are asked for at once a write comes first. Each side has its own reset, which may come alone, at any time
// and for a single cycle: no request is ever done twice, nor answered by another's answer.
//
//   m_rst  refuses, by SLVERR, what is under way and what is asked until it ends: nothing that was asked before is done
//          after it
//   s_rst  drops the answer to what is under way, which is done all the same; the next request waits until it is
//
// To tools for timing: request, answer and both turned bits are false paths, or bounded by one period of the faster
// clock.
`default_nettype none

module axil_cdc #(
  parameter int ADDR_W = 9
) (
  input  wire              s_clk,
  input  wire              s_rst,
  input  wire [ADDR_W-1:0] s_axil_awaddr,
  input  wire              s_axil_awvalid,
  output logic             s_axil_awready,
  input  wire [31:0]       s_axil_wdata,
  input  wire [3:0]        s_axil_wstrb,
  input  wire              s_axil_wvalid,
  output logic             s_axil_wready,
  output logic [1:0]       s_axil_bresp,
  output logic             s_axil_bvalid,
  input  wire              s_axil_bready,
  input  wire [ADDR_W-1:0] s_axil_araddr,
  input  wire              s_axil_arvalid,
  output logic             s_axil_arready,
  output logic [31:0]      s_axil_rdata,
  output logic [1:0]       s_axil_rresp,
  output logic             s_axil_rvalid,
  input  wire              s_axil_rready,

  input  wire              m_clk,
  input  wire              m_rst,
  output logic [ADDR_W-1:0] m_axil_awaddr,
  output logic             m_axil_awvalid,
  input  wire              m_axil_awready,
  output logic [31:0]      m_axil_wdata,
  output logic [3:0]       m_axil_wstrb,
  output logic             m_axil_wvalid,
  input  wire              m_axil_wready,
  input  wire [1:0]        m_axil_bresp,
  input  wire              m_axil_bvalid,
  output wire              m_axil_bready,
  output logic [ADDR_W-1:0] m_axil_araddr,
  output logic             m_axil_arvalid,
  input  wire              m_axil_arready,
  input  wire [31:0]       m_axil_rdata,
  input  wire [1:0]        m_axil_rresp,
  input  wire              m_axil_rvalid,
  output wire              m_axil_rready
);

  localparam logic [1:0] SLVERR = 2'b10;

  // --- The side that is asked -------------------------------------------------------------------------

  // Turned for each request, and for each answer: while they differ a request is under way. Neither reset touches them,
  // as it would be a turn to the other side; they begin at zero with the power.
  logic asked = 1'b0, answered = 1'b0;
  (* ASYNC_REG = "TRUE" *) logic [1:0] asked_m = 2'b00, answered_s = 2'b00;

  logic              request_is_write;
  logic [ADDR_W-1:0] request_addr;
  logic [31:0]       request_data;
  logic [3:0]        request_strobe;
  logic [31:0]       answer_data;
  logic [1:0]        answer_code;
  // The request under way is of after the last reset.
  logic              waits;

  wire all_is_answered = answered_s[1] == asked;
  wire is_idle = all_is_answered && !waits && !s_axil_bvalid && !s_axil_rvalid;
  wire takes_write = is_idle && s_axil_awvalid && s_axil_wvalid;
  wire takes_read = is_idle && !takes_write && s_axil_arvalid;
  assign s_axil_awready = takes_write;
  assign s_axil_wready = takes_write;
  assign s_axil_arready = takes_read;
  wire is_answered = waits && all_is_answered;

  always_ff @(posedge s_clk) begin
    answered_s <= {answered_s[0], answered};
    if (s_rst) begin
      waits <= 1'b0;
      s_axil_bvalid <= 1'b0;
      s_axil_rvalid <= 1'b0;
    end else begin
      if (takes_write || takes_read) begin
        asked <= !asked;
        waits <= 1'b1;
      end else if (is_answered) waits <= 1'b0;
      s_axil_bvalid <= is_answered ? request_is_write : s_axil_bvalid && !s_axil_bready;
      s_axil_rvalid <= is_answered ? !request_is_write : s_axil_rvalid && !s_axil_rready;
    end
    if (takes_write || takes_read) begin
      request_is_write <= takes_write;
      request_addr <= takes_write ? s_axil_awaddr : s_axil_araddr;
      request_data <= s_axil_wdata;
      request_strobe <= s_axil_wstrb;
    end
    if (is_answered) begin
      s_axil_bresp <= answer_code;
      s_axil_rresp <= answer_code;
      s_axil_rdata <= answer_data;
    end
  end

  // --- The side that does it --------------------------------------------------------------------------

  // It is at work on a request.
  logic works;
  // What was asked before the reset ended may come out of its two flip-flops in three cycles more.
  logic [2:0] settles;
  wire refuses = m_rst || settles[2];
  wire is_under_way = asked_m[1] != answered;
  wire is_asked = is_under_way && !works && !refuses;
  wire is_done = works && (m_axil_bvalid || m_axil_rvalid);
  assign m_axil_bready = works;
  assign m_axil_rready = works;

  always_ff @(posedge m_clk) begin
    asked_m <= {asked_m[0], asked};
    settles <= m_rst ? 3'b111 : {settles[1:0], 1'b0};
    if (is_under_way && (refuses || is_done)) answered <= asked_m[1];
    if (m_rst) begin
      works <= 1'b0;
      m_axil_awvalid <= 1'b0;
      m_axil_wvalid <= 1'b0;
      m_axil_arvalid <= 1'b0;
    end else begin
      if (is_asked) works <= 1'b1;
      else if (is_done) works <= 1'b0;
      m_axil_awvalid <= is_asked ? request_is_write : m_axil_awvalid && !m_axil_awready;
      m_axil_wvalid <= is_asked ? request_is_write : m_axil_wvalid && !m_axil_wready;
      m_axil_arvalid <= is_asked ? !request_is_write : m_axil_arvalid && !m_axil_arready;
    end
    if (is_asked) begin
      m_axil_awaddr <= request_addr;
      m_axil_araddr <= request_addr;
      m_axil_wdata <= request_data;
      m_axil_wstrb <= request_strobe;
    end
    // Never while an answer is on its way: it has to stay.
    if (is_under_way) begin
      answer_data <= refuses ? 32'd0 : m_axil_rdata;
      answer_code <= refuses ? SLVERR : m_axil_bvalid ? m_axil_bresp : m_axil_rresp;
    end
  end

endmodule

`default_nettype wire
