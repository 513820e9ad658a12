// Takes AXI4-Lite from one clock domain into another, one transaction at a time.
//
// A request is laid down whole, and then a bit is turned; the bit goes through two flip-flops, and only when it is
// seen turned is the request looked at, which has not changed since. The answer comes back the same way. So nothing
// that is wider than one bit is ever taken while it changes, however the two clocks stand to each other.
//
// Where both are asked for at once a write comes first. Each side has its own reset; one is to be followed by the
// other's before the next request. To tools for timing: request, answer and both turned bits are false paths, or
// bounded by one period of the faster clock.
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

  // --- The side that is asked -------------------------------------------------------------------------

  // Turned for each request, and for each answer.
  logic asked, answered;
  (* ASYNC_REG = "TRUE" *) logic [1:0] asked_m, answered_s;

  logic              request_is_write;
  logic [ADDR_W-1:0] request_addr;
  logic [31:0]       request_data;
  logic [3:0]        request_strobe;
  logic [31:0]       answer_data;
  logic [1:0]        answer_code;
  // A request is under way.
  logic              waits;

  wire is_idle = !waits && !s_axil_bvalid && !s_axil_rvalid;
  wire takes_write = is_idle && s_axil_awvalid && s_axil_wvalid;
  wire takes_read = is_idle && !takes_write && s_axil_arvalid;
  assign s_axil_awready = takes_write;
  assign s_axil_wready = takes_write;
  assign s_axil_arready = takes_read;
  wire is_answered = waits && answered_s[1] == asked;

  always_ff @(posedge s_clk) begin
    if (s_rst) begin
      asked <= 1'b0;
      answered_s <= 2'b00;
      waits <= 1'b0;
      s_axil_bvalid <= 1'b0;
      s_axil_rvalid <= 1'b0;
    end else begin
      answered_s <= {answered_s[0], answered};
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
  wire is_asked = !works && asked_m[1] != answered;
  wire is_done = works && (m_axil_bvalid || m_axil_rvalid);
  assign m_axil_bready = works;
  assign m_axil_rready = works;

  always_ff @(posedge m_clk) begin
    if (m_rst) begin
      answered <= 1'b0;
      asked_m <= 2'b00;
      works <= 1'b0;
      m_axil_awvalid <= 1'b0;
      m_axil_wvalid <= 1'b0;
      m_axil_arvalid <= 1'b0;
    end else begin
      asked_m <= {asked_m[0], asked};
      if (is_asked) works <= 1'b1;
      else if (is_done) begin
        works <= 1'b0;
        answered <= asked_m[1];
      end
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
    if (is_done) begin
      answer_data <= m_axil_rdata;
      answer_code <= m_axil_bvalid ? m_axil_bresp : m_axil_rresp;
    end
  end

endmodule

`default_nettype wire
