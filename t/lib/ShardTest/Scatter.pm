package ShardTest;

# Tests of shard_scatter: a router with many kinds of it, and nodes that are
# servers of the same nginx and answer what a map says for a shard and a path.

use warnings;
use strict;

use IO::Socket::INET;


sub wait_for (&$$);        # of ShardTest.pm, whichever is read first


# n1 and n2 have the shards; n3 accepts and says nothing, n4 refuses, n5 is
# what a test makes of it: "port" has theirs

sub start_scatter {
    my ($self) = @_;

    $self->{port} = { map { $_ => free_port() } qw/ n1 n2 n3 n4 n5 / };
    $self->{h2_port} = free_port();

    $self->{nodes}{$_} = { name => $_, addr => "127.0.0.1:$self->{port}{$_}",
                           capacity => 100, zone => 'z1' }
        for keys %{ $self->{port} };

    $self->{mute} = IO::Socket::INET->new(
        LocalAddr => "127.0.0.1:$self->{port}{n3}", Proto => 'tcp',
        Listen => 1024) or die "listen: $!\n";

    $self->start_redis();
    $self->seed(nodes => [ 'n1', 'n2' ], silent => 1);
    $self->start_nginx(
        http => $self->scatter_nodes(), server => $self->scatter_locations(),
        upstream => "shard_hold max=4096 timeout=3s;\n keepalive 16;");

    wait_for { $self->get('/', 'X-Key' => 'a')->{status} == 200 } 10,
             'a table';
}


sub scatter_nodes {
    my ($self) = @_;

    my $big = 'x' x 4000;
    my $text = <<"CONF";
map "\$http_x_shard_id\$uri" \$answer {
    volatile;
    ~/421\$       '[\$http_x_shard_id]';
    ~/json\$      '{"shard":\$http_x_shard_id}';
    ~/headers\$   '[\$shard_test_headers]';
    ~^3/.*bad\$    '{"shard":3';
    ~/bad\$       '[\$http_x_shard_id]';
    ~/pretty\$    '{\\n  "shard": \$http_x_shard_id,\\n  "a": [1,\\n 2]\\n}\\n';
    ~^2/.*lines\$  '';
    ~^5/.*lines\$  '{"s":5}';
    ~/lines\$     '{"s":\$http_x_shard_id}\\n\\n{"t":\$http_x_shard_id}\\n';
    ~/big\$       '"$big\$http_x_shard_id"';
    default       '<\$http_x_shard_id>';
}

map "\$http_x_shard_id\$uri" \$shard_test_status {
    volatile;
    ~^1/.*some\$   1;
    ~^4/.*some\$   1;
    ~^6/.*421\$    421;
    ~/none\$      1;
    default       0;
}

map \$http_x_shard_node \$shard_test_headers {
    volatile;
    default       '"\$http_range\$http_if_none_match\$http_accept_encoding\$http_if_modified_since","\$request_method \$request_uri \$http_x_test \$content_length"';
}
CONF

    for my $name (qw/ n1 n2 /) {
        $text .= <<"CONF";
server {
    listen 127.0.0.1:$self->{port}{$name};
    default_type text/plain;

    location / {
        if (\$shard_test_status = 421) {
            return 421 "not mine";
        }

        if (\$shard_test_status) {
            return 404 "none";
        }

        return 200 \$answer;
    }
}
CONF
    }

    return $text;
}


# locations of the router

sub scatter_locations {
    my ($self) = @_;

    my $text = <<"CONF";
listen 127.0.0.1:$self->{h2_port} http2;
proxy_http_version 1.1;
proxy_set_header Connection  "";
proxy_set_header X-Shard-Id  \$shard_id;
proxy_set_header X-Shard-Node \$shard_node;
proxy_connect_timeout 2s;
CONF

    my %location = (
        json => 'merge=json', object => 'merge=object',
        ndjson => 'merge=ndjson', concat => 'merge=concat',
        strict => 'merge=json partial=502 timeout=400ms',
        soon => 'merge=object timeout=400ms',
        patient => 'merge=object timeout=10s',
        slow => 'merge=object timeout=2s',
        keys => 'merge=object keys=$arg_keys',
        some => 'merge=object keys=$arg_keys to=all',
        few => 'merge=json max=4 keys=$arg_keys to=all',
        small => 'merge=json bytes=10k concurrency=1',
        narrow => 'merge=json concurrency=2',
    );

    for my $name (sort keys %location) {
        $text .= "location /$name/ {\n    shard_scatter $self->{keyspace} "
                 . "$location{$name};\n}\n";
    }

    $text .= <<"CONF";
location /passed/ {
    proxy_pass http://$self->{keyspace}/json;
    limit_except GET { }
    if (\$arg_if) { set \$was_if 1; }
    shard_scatter $self->{keyspace} merge=object;
    gzip on;
    gzip_types application/json;
    gzip_min_length 10;
}

location /fastcgi/ {
    fastcgi_pass $self->{keyspace};
    fastcgi_param SHARD_ID \$shard_id;
    shard_scatter $self->{keyspace} merge=object keys=\$arg_keys;
}

location /unbuffered/ {
    proxy_buffer_size 1k;
    proxy_buffers 4 1k;
    proxy_busy_buffers_size 1k;
    proxy_max_temp_file_size 0;
    shard_scatter $self->{keyspace};
}

location /ssi/ {
    ssi on;
    ssi_types text/plain;
    default_type text/plain;
    return 200 'a<!--#include virtual="/json/json"-->b';
}
CONF

    return $text;
}


1;
