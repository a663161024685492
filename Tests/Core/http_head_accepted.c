/* What is a request is understood, at every split of its bytes. */
#include "http_head_case.h"

static const http_head_case_t cases[] = {
    ACCEPT("the shortest HTTP/1.1 request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET / 1.1 keep-alive host=a\n"
           "Host=a\n"),
    ACCEPT("the shortest HTTP/1.0 request", "GET / HTTP/1.0\r\n\r\n",
           "GET / 1.0 close\n"),
    ACCEPT("a browser's audio element",
           "GET /live/demo.wav HTTP/1.1\r\n"
           "Host: 127.0.0.1:8080\r\n"
           "Connection: keep-alive\r\n"
           "sec-ch-ua: \"Chromium\";v=\"126\", \"Not/A)Brand\";v=\"8\"\r\n"
           "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
           "Accept: */*\r\n"
           "Range: bytes=0-\r\n"
           "\r\n",
           "GET /live/demo.wav 1.1 keep-alive host=127.0.0.1:8080\n"
           "Host=127.0.0.1:8080\n"
           "Connection=keep-alive\n"
           "sec-ch-ua=\"Chromium\";v=\"126\", \"Not/A)Brand\";v=\"8\"\n"
           "User-Agent=Mozilla/5.0 (X11; Linux x86_64)\n"
           "Accept=*/*\n"
           "Range=bytes=0-\n"),
    ACCEPT("FFmpeg as a listener",
           "GET /live/demo.wav HTTP/1.1\r\n"
           "User-Agent: Lavf/59.27.100\r\n"
           "Accept: */*\r\n"
           "Range: bytes=0-\r\n"
           "Connection: close\r\n"
           "Host: localhost:8080\r\n"
           "Icy-MetaData: 1\r\n"
           "\r\n",
           "GET /live/demo.wav 1.1 close host=localhost:8080\n"
           "User-Agent=Lavf/59.27.100\n"
           "Accept=*/*\n"
           "Range=bytes=0-\n"
           "Connection=close\n"
           "Host=localhost:8080\n"
           "Icy-MetaData=1\n"),
    ACCEPT("Icecast's SOURCE in HTTP/1.0",
           "SOURCE /vinyl.wav HTTP/1.0\r\n"
           "Authorization: Basic c291cmNlOmhhY2ttZQ==\r\n"
           "Content-Type: audio/wav\r\n"
           "\r\n",
           "SOURCE /vinyl.wav 1.0 close\n"
           "Authorization=Basic c291cmNlOmhhY2ttZQ==\n"
           "Content-Type=audio/wav\n"),
    ACCEPT("Icecast's SOURCE in its own version",
           "SOURCE /vinyl ICE/1.0\r\n"
           "ice-name: Vinyl\r\n"
           "\r\n",
           "SOURCE /vinyl 1.0 close\n"
           "ice-name=Vinyl\n"),
    ACCEPT("an upload that waits to be told to go on",
           "PUT /live/vinyl HTTP/1.1\r\n"
           "host: radio.example\r\n"
           "expect: 100-Continue\r\n"
           "transfer-encoding: Chunked\r\n"
           "\r\n",
           "PUT /live/vinyl 1.1 keep-alive host=radio.example chunked expect\n"
           "host=radio.example\n"
           "expect=100-Continue\n"
           "transfer-encoding=Chunked\n"),
    ACCEPT("Expect in HTTP/1.0 means nothing",
           "PUT / HTTP/1.0\r\nExpect: 100-continue\r\n"
           "Content-Length: 3\r\n\r\n",
           "PUT / 1.0 close length=3\n"
           "Expect=100-continue\n"
           "Content-Length=3\n"),
    ACCEPT("spaces around a coding and tabs around a host",
           "PUT / HTTP/1.1\r\nHost:\t a \t\r\nTransfer-Encoding:chunked  \r\n"
           "\r\n",
           "PUT / 1.1 keep-alive host=a chunked\n"
           "Host=a\n"
           "Transfer-Encoding=chunked\n"),
    ACCEPT("the largest length",
           "POST / HTTP/1.1\r\nHost: a\r\n"
           "CONTENT-LENGTH:  9223372036854775807  \r\n\r\n",
           "POST / 1.1 keep-alive host=a length=9223372036854775807\n"
           "Host=a\n"
           "CONTENT-LENGTH=9223372036854775807\n"),
    ACCEPT("a length of zero is a length",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
           "POST / 1.1 keep-alive host=a length=0\n"
           "Host=a\n"
           "Content-Length=0\n"),
    ACCEPT("leading zeros are digits",
           "POST / HTTP/1.1\r\nHost: a\r\n"
           "Content-Length: 00000000000000000000000000000042\r\n\r\n",
           "POST / 1.1 keep-alive host=a length=42\n"
           "Host=a\n"
           "Content-Length=00000000000000000000000000000042\n"),
    ACCEPT("one empty line before the request", "\r\nGET / HTTP/1.0\r\n\r\n",
           "GET / 1.0 close\n"),
    ACCEPT("HTTP/1.0 that asks to be kept",
           "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
           "GET / 1.0 keep-alive\n"
           "Connection=Keep-Alive\n"),
    ACCEPT("close among other options, and in another field",
           "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n"
           "Connection: , TE ,\tCLOSE,\r\n\r\n",
           "GET / 1.1 close host=a\n"
           "Host=a\n"
           "Connection=keep-alive\n"
           "Connection=, TE ,\tCLOSE,\n"),
    ACCEPT("options that only look like close",
           "GET / HTTP/1.1\r\nHost: a\r\nConnection: closed, x-close\r\n\r\n",
           "GET / 1.1 keep-alive host=a\n"
           "Host=a\n"
           "Connection=closed, x-close\n"),
    ACCEPT("an upgrade is noted and ignored",
           "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n"
           "Connection: Upgrade, HTTP2-Settings\r\n\r\n",
           "GET / 1.1 keep-alive host=a upgrade\n"
           "Host=a\n"
           "Upgrade=h2c\n"
           "Connection=Upgrade, HTTP2-Settings\n"),
    ACCEPT("absolute-form",
           "GET HTTP://Radio.Example:8080?x=1 HTTP/1.1\r\n"
           "Host: radio.example:8080\r\n\r\n",
           "GET HTTP://Radio.Example:8080?x=1 1.1 keep-alive "
           "host=Radio.Example:8080\n"
           "Host=radio.example:8080\n"),
    ACCEPT("absolute-form gives HTTP/1.0 its host",
           "GET https://[::1]/live HTTP/1.0\r\n\r\n",
           "GET https://[::1]/live 1.0 close host=[::1]\n"),
    ACCEPT("asterisk-form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
           "OPTIONS * 1.1 keep-alive host=a\n"
           "Host=a\n"),
    ACCEPT("all that a target may hold",
           "GET //a.b/~x_-!$&'()*+,;=:@%00/[]^`{|}?/?%zz HTTP/1.0\r\n\r\n",
           "GET //a.b/~x_-!$&'()*+,;=:@%00/[]^`{|}?/?%zz 1.0 close\n"),
    ACCEPT("all that a method and a name may hold",
           "!#$%&'*+-.^_`|~09azAZ / HTTP/1.0\r\n"
           "!#$%&'*+-.^_`|~09azAZ:x\r\n\r\n",
           "!#$%&'*+-.^_`|~09azAZ / 1.0 close\n"
           "!#$%&'*+-.^_`|~09azAZ=x\n"),
    ACCEPT("methods are case-sensitive, and any token is one",
           "get / HTTP/1.0\r\n\r\n", "get / 1.0 close\n"),
    ACCEPT("values: empty, white space only, inner white space, obs-text",
           "GET / HTTP/1.0\r\nA:\r\nB: \t \r\nC: x \t y \r\n"
           "D:\xC3\xA9\xFF\x80\r\nE:: \\\"<>\r\n\r\n",
           "GET / 1.0 close\n"
           "A=\n"
           "B=\n"
           "C=x \t y\n"
           "D=\xC3\xA9\xFF\x80\n"
           "E=: \\\"<>\n"),
    ACCEPT("hosts: an address and a port",
           "GET / HTTP/1.1\r\nHost: [2001:DB8::192.0.2.1]:65535\r\n\r\n",
           "GET / 1.1 keep-alive host=[2001:DB8::192.0.2.1]:65535\n"
           "Host=[2001:DB8::192.0.2.1]:65535\n"),
    ACCEPT("hosts: a name with an underscore and a final dot",
           "GET / HTTP/1.1\r\nHOST:my_host.~lan.:0\r\n\r\n",
           "GET / 1.1 keep-alive host=my_host.~lan.:0\n"
           "HOST=my_host.~lan.:0\n"),
    ACCEPT("names that only look like those of framing",
           "GET / HTTP/1.1\r\nHost: a\r\nHosts: b\r\nXost: c\r\n"
           "Content_Length: 5\r\nTransfer_Encoding: x\r\nXupgrad: y\r\n\r\n",
           "GET / 1.1 keep-alive host=a\n"
           "Host=a\n"
           "Hosts=b\n"
           "Xost=c\n"
           "Content_Length=5\n"
           "Transfer_Encoding=x\n"
           "Xupgrad=y\n"),
};

int main(void) {
  RUN_CASES(cases);
  return 0;
}
