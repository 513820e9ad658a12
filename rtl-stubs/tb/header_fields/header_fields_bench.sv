// header_fields under the names that streams have in the benches.
`default_nettype none

module header_fields_bench #(
  parameter int DATA_W = 64
) (
  input  wire                clk,
  input  wire                rst,
  input  wire [DATA_W-1:0]   s_axis_tdata,
  input  wire [DATA_W/8-1:0] s_axis_tkeep,
  input  wire                s_axis_tvalid,
  input  wire                s_axis_tready,
  input  wire                s_axis_tlast,
  output wire                beat_valid,
  output wire                beat_first,
  output wire                beat_last,
  output wire [DATA_W-1:0]   beat_data,
  output wire [16:0]         beat_index,
  output wire [16:0]         frame_len,
  output wire                is_ipv4,
  output wire                is_arp,
  output wire [11:0]         vlan,
  output wire                ipv4_is_sound,
  output wire                is_tcp,
  output wire                is_icmp,
  output wire                is_fragment,
  output wire [31:0]         src,
  output wire [31:0]         dst,
  output wire [5:0]          l3_word,
  output wire [5:0]          l4_word,
  output wire [15:0]         l4_len,
  output wire [16:0]         packet_end
);

  localparam int BEAT_BITS = 17 - $clog2(DATA_W / 8);
  wire [BEAT_BITS-1:0] index;
  assign beat_index = 17'(index);

  header_fields #(.DATA_W(DATA_W)) fields (
    .clk(clk), .rst(rst), .s_tdata(s_axis_tdata), .s_tkeep(s_axis_tkeep), .s_tvalid(s_axis_tvalid),
    .s_tready(s_axis_tready), .s_tlast(s_axis_tlast), .beat_valid(beat_valid), .beat_first(beat_first),
    .beat_last(beat_last), .beat_data(beat_data), .beat_index(index), .frame_len(frame_len), .is_ipv4(is_ipv4),
    .is_arp(is_arp), .vlan(vlan), .ipv4_is_sound(ipv4_is_sound), .is_tcp(is_tcp), .is_icmp(is_icmp),
    .is_fragment(is_fragment), .src(src), .dst(dst), .l3_word(l3_word), .l4_word(l4_word), .l4_len(l4_len),
    .packet_end(packet_end)
  );

endmodule

`default_nettype wire
