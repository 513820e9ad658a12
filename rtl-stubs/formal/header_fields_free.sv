// In place of header_fields where a proof is not about fields: beats come when they come there, and what is said of
// them is anything.
`default_nettype none

module header_fields #(
  parameter DATA_W = 64,
  localparam POS_BITS = offload_pkg::POS_BITS,
  localparam BEAT_BITS = POS_BITS - $clog2(DATA_W / 8)
) (
  input  wire                 clk,
  input  wire                 rst,
  input  wire [DATA_W-1:0]    s_tdata,
  input  wire [DATA_W/8-1:0]  s_tkeep,
  input  wire                 s_tvalid,
  input  wire                 s_tready,
  input  wire                 s_tlast,
  output reg                  beat_valid,
  output wire                 beat_first,
  output reg                  beat_last,
  output wire [DATA_W-1:0]    beat_data,
  output wire [BEAT_BITS-1:0] beat_index,
  output wire [POS_BITS-1:0]  frame_len,
  output wire                 is_ipv4,
  output wire                 is_arp,
  output wire [11:0]          vlan,
  output wire                 ipv4_is_sound,
  output wire                 is_tcp,
  output wire                 is_icmp,
  output wire                 is_fragment,
  output wire [31:0]          src,
  output wire [31:0]          dst,
  output wire [5:0]           l3_word,
  output wire [5:0]           l4_word,
  output wire [15:0]          l4_len,
  output wire [POS_BITS-1:0]  packet_end
);

  localparam ANYTHING = 1 + DATA_W + BEAT_BITS + 2 * POS_BITS + 6 + 12 + 64 + 12 + 16;
  (* anyseq *) reg [ANYTHING-1:0] anything;
  assign {beat_first, beat_data, beat_index, frame_len, packet_end, is_ipv4, is_arp, ipv4_is_sound, is_tcp, is_icmp,
          is_fragment, vlan, src, dst, l3_word, l4_word, l4_len} = anything;
  reg valid, last;
  always @(posedge clk) begin
    valid <= s_tvalid && s_tready && !rst;
    last <= s_tlast;
    beat_valid <= valid && !rst;
    beat_last <= last;
  end

endmodule

`default_nettype wire
