#!/usr/bin/perl

# The module: reads by distance, nodes that are down, draining or out of
# reach, writes that wait for a new owner, and nobody at all.

use warnings;
use strict;

use Test::More;
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Time::HiRes qw/ time /;

use ShardTest;

my $t = ShardTest->new(shards => 1, follow_seconds => 2);
my %zone = (n1 => 'z1', n2 => 'z1', n3 => 'z2', n4 => 'z3', n5 => 'z3');
my %port = map { $_ => free_port() } keys %zone;

$t->{nodes}{$_} = { name => $_, addr => "127.0.0.1:$port{$_}", capacity => 100,
                    zone => $zone{$_} } for keys %zone;

$t->start_redis();
$t->seed(nodes => [ 'n1' ], silent => 1,
         record => { standbys => [ qw/ n2 n3 n4 / ],
                     consistency => 'eventual' });

sub backends {
    my (%closed) = @_;

    return join '', map { <<"CONF" } grep { !$closed{$_} } qw/ n1 n2 n3 n4 /;
server {
    listen 127.0.0.1:$port{$_};

    location / {
        return 200 "$_ \$http_x_shard_role";
    }

    location /fail {
        return 500;
    }

    location /new {
        if (\$http_x_shard_role = standby) {
            return 421;
        }

        return 200 "$_ \$http_x_shard_role";
    }
}
CONF
}

my $server = <<'CONF';
proxy_set_header   X-Shard-Role  $shard_role;
proxy_set_header   X-Shard-Epoch $shard_epoch;
proxy_http_version 1.1;
proxy_set_header   Connection    "";
proxy_next_upstream error timeout http_500;
add_header         X-Tries       $upstream_status always;
add_header         X-Shard-Node  $shard_node always;
add_header         X-Shard-Zone  $shard_zone always;
add_header         X-Shard-State $shard_state always;

location /x    { proxy_pass http://orders; }
location /fail { proxy_pass http://orders; }
location /new  { proxy_pass http://orders; }
location /two  { proxy_pass http://orders/fail; proxy_next_upstream_tries 2; }
CONF

my %conf = (http => backends(), server => $server,
            upstream => "shard_hold max=5 timeout=3s;\n        keepalive 8;");

$t->start_nginx(%conf);
wait_for { $t->get('/x', 'X-Key' => 'a')->{status} == 200 } 5, 'a table';


sub commit { return $t->followed($t->committed(@_)) }
sub update { return $t->update_shard(0, @_) }

sub nodes_are {
    my (%state) = @_;

    commit('nodes', map { my %node = (%{ $t->{nodes}{$_} },
                                      state => $state{$_});
                          delete $node{name};
                          ('node', $_, encode_json(\%node)) }
                    sort keys %state);
}

sub reload {
    $t->reload(%conf, @_);
}


# "node role state tries": role is what the node was told

sub sent {
    my ($key, $zone, $method, $path) = @_;

    my $got = $t->request($method || 'GET', $path || '/x',
                          $method ? 'body' : undef, 'X-Key' => $key,
                          defined $zone ? ('X-Zone' => $zone) : ());
    my $h = $got->{headers};

    return "$got->{status} " . ($h->{'x-tries'} || '-') if $got->{status} != 200;

    my ($node, $role) = split / /, $got->{content};

    return "another node than told: $node" if $node ne $h->{'x-shard-node'};
    return "another zone than its" if $h->{'x-shard-zone'} ne $zone{$node};
    return "$node $role $h->{'x-shard-state'} $h->{'x-tries'}";
}

# nodes that many keys' reads go to

sub spread {
    my ($zone) = @_;

    my %count;
    $count{(split / /, sent("key$_", $zone))[0]}++ for 1 .. 60;
    return \%count;
}


is_deeply(spread(), { n1 => 60 }, 'without from= all is the primary\'s');

reload(shard_args => ' from=$http_x_zone');
wait_for { (spread('z2')->{n3} || 0) == 60 } 3, 'from=';

my $here = spread();
is(join(' ', sort keys %$here), 'n1 n2', 'by default this router\'s zone');
ok($here->{n1} > 10 && $here->{n2} > 10, 'equally near: keys choose');

my %where = map { $_ => sent("key$_") } 1 .. 60;
is(scalar(grep { sent("key$_") ne $where{$_} } keys %where), 0,
   'a key stays where it is');

is(sent('a', 'z2'), 'n3 standby steady 200', 'a standby of the zone');
is(sent('a', 'z3'), 'n4 standby steady 200', 'and of another');
is(sent('a', 'z2', 'PUT'), 'n1 primary steady 200', 'writes: the primary');
is(keys %{ spread('z9') }, 4, 'a zone nobody knows: all are equally far');

commit('keyspace', 'meta', 'policy', encode_json(
    { zone_distance => { 'z9 z1' => 300, 'z9 z2' => 20, 'z3 z9' => 40 } }));
ok(eval { wait_for { (spread('z9')->{n3} || 0) == 60 } 3, 'distances'; 1 },
   'the zone distance table decides');

update(consistency => 'strong');
is_deeply(spread('z2'), { n1 => 60 }, 'strong reads: the primary');
update(consistency => 'eventual');


# states of nodes

nodes_are(n3 => 'draining');
is(sent('a', 'z2') =~ /^n3/, '', 'draining: no eventual reads');
is((split / /, sent('a', 'z9'))[0], 'n4', 'the next nearest has them');
nodes_are(n3 => 'down');
is(sent('a', 'z9'), 'n4 standby failover 200', 'down: the next one stands in');
nodes_are(n3 => 'up');
is(sent('a', 'z9'), 'n3 standby steady 200', 'and up again');

nodes_are(n1 => 'draining', n2 => 'draining', n3 => 'draining',
          n4 => 'draining');
is(sent('a', 'z9'), 'n3 standby steady 200', 'all are draining: the nearest');
nodes_are(map { $_ => 'up' } keys %zone);


# answers that are failures

reload();
wait_for { (spread('z2')->{n1} || 0) == 60 } 3, 'no from=';

is(sent('a', undef, undef, '/fail'), '500 500, 500, 500, 500',
   'eventual reads go over all replicas');
is(sent('a', undef, undef, '/two'), '500 500, 500',
   'or as many as "proxy_next_upstream_tries" says');
is(sent('a', undef, 'PUT', '/fail'), '500 500', 'a write has one node');
update(consistency => 'strong');
is(sent('a', undef, undef, '/fail'), '500 500',
   'strong reads: what was answered was answered');


# the primary is down

nodes_are(n1 => 'down');
is(sent('a'), 'n2 standby failover 200', 'a strong read goes to a standby');
is(sent('a', undef, undef, '/new'), '421 421, 421',
   'one that must not give old answers refuses');
nodes_are(n2 => 'down');
is(sent('a'), 'n3 standby failover 200', 'that can be used');
update(consistency => 'eventual');
is(sent('a'), 'n3 standby failover 200', 'and so does an eventual one');
nodes_are(n2 => 'up');
update(consistency => 'strong');


# writes wait

sub send_write {
    return $t->send_request('/x', method => $_[0] || 'PUT', body => 'body');
}

sub answer { return ($t->answer($_[0]))[1] }

sub waiting { return $t->api('')->{waiting} }

my @writes = map { send_write() } 1 .. 3;
wait_for { waiting() == 3 } 3, 'three waiting writes';
pass('writes wait for an owner');
is(sent('a'), 'n2 standby failover 200', 'reads do not');

update(primary => 'n3', standbys => [ qw/ n1 n2 n4 / ], epoch => 2);
like(answer($_), qr/^HTTP\/1.1 200.*\r\n\r\nn3 primary/s,
     'a promotion releases a write, to the new owner') for @writes;
wait_for { waiting() == 0 } 2, 'nobody waits';

nodes_are(n3 => 'down');
@writes = map { send_write() } 1 .. 2;
wait_for { waiting() == 2 } 3, 'two waiting writes';
nodes_are(n3 => 'up');
like(answer($_), qr/^HTTP\/1.1 200.*\r\n\r\nn3 primary/s,
     'so does an owner that comes back') for @writes;

nodes_are(n3 => 'down');
@writes = map { send_write() } 1 .. 5;
wait_for { waiting() == 5 } 3, 'five waiting writes';
like(answer(send_write()), qr/^HTTP\/1.1 503.*Retry-After: \d/s,
     'more than max=: 503');

my $began = time();
like(answer($_), qr/^HTTP\/1.1 503.*Retry-After: \d/s, 'timeout=: 503')
    for @writes;
ok(time() - $began < 5, 'within the bound');
like($t->error_log(), qr/shard 0: waited for an owner in vain: its node "n3" is down/,
     'the log says who is down');


# strong_reads=wait

reload(shard_args => ' strong_reads=wait');
wait_for { $t->get('/x', 'X-Key' => 'a')->{status} == 503 } 8, 'wait';
my $read = send_write('GET');
wait_for { waiting() == 1 } 3, 'a waiting read';
update(primary => 'n2', standbys => [ qw/ n1 n3 n4 / ], epoch => 3);
like(answer($read), qr/^HTTP\/1.1 200.*\r\n\r\nn2 primary/s,
     'strong_reads=wait: a read waits as well');
reload();


# an owner that gives up, for one that is down: n5 is a process of this test

{
    my $listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port{n5}",
                                         Listen => 8, ReuseAddr => 1)
        or die "listen: $!";

    nodes_are(n2 => 'down', n5 => 'up');
    update(primary => 'n5', standbys => [ qw/ n2 n3 / ], epoch => 4);

    my $pid = fork();

    if ($pid == 0) {
        $t->{redis} = ShardTest::Redis->new($t->redis_addr());
        my $s = $listener->accept();
        sysread($s, my $request, 65536);

        $t->commit('shard:0', 'shard', 0, encode_json(
            { %{ $t->shard_record(0) }, primary => 'n2',
              standbys => [ qw/ n3 n5 / ], epoch => 5 }));

        syswrite($s, "HTTP/1.1 421 Misdirected Request\r\n"
                     . "Content-Length: 0\r\nConnection: close\r\n\r\n");
        POSIX::_exit(0);
    }

    my $write = send_write();
    waitpid $pid, 0;
    close $listener;

    wait_for { $t->api('/shards/0')->{epoch} == 5 } 3, 'the new owner';
    my $bits = '';
    vec($bits, fileno($write), 1) = 1;
    is(select($bits, undef, undef, 0.5), 0, '421, then no owner: it waits');
    nodes_are(n2 => 'up');
    like(answer($write), qr/^HTTP\/1.1 200.*\r\n\r\nn2 primary/s,
         'and reaches the new one');
    update(standbys => [ qw/ n1 n3 n4 / ]);
}


# nobody

nodes_are(map { $_ => 'down' } keys %zone);

for my $method ('GET', 'PUT') {
    my $got = $t->request($method, '/x', $method eq 'PUT' ? 'body' : undef,
                          'X-Key' => 'a');

    is($got->{status}, 503, "all down: 503 for $method");
    ok($got->{headers}{'retry-after'}, 'with Retry-After');
}

like($t->error_log(), qr/shard 0: nobody can answer: its node "n2" is down/,
     'and the log says why');
nodes_are(map { $_ => 'up' } keys %zone);


# out of reach, and nobody has noticed

reload(http => backends(n2 => 1));
wait_for { sent('a') =~ /502/ } 5, 'n2 is gone';
is(sent('a'), 'n1 standby failover 502, 200',
   'a strong read of which nothing was sent goes to a standby');
is(sent('a', undef, 'PUT'), '502 502', 'a write does not');
update(consistency => 'eventual');
is(sent('a'), 'n1 standby failover 502, 200', 'an eventual one as well');


# dead by health checks

update(consistency => 'strong');
reload(http => backends(n2 => 1),
       upstream => "shard_hold max=5 timeout=5s;\n"
                   . "        shard_health uri=/ interval=100ms fails=2;\n"
                   . "        keepalive 8;");
ok(eval { wait_for { sent('a') eq 'n1 standby failover 200' } 8, 'dead'; 1 },
   'a dead primary is not asked any more');

@writes = map { send_write() } 1 .. 3;
wait_for { waiting() == 3 } 3, 'three waiting writes';
update(primary => 'n1', standbys => [ qw/ n2 n3 n4 / ], epoch => 6);
like(answer($_), qr/^HTTP\/1.1 200.*\r\n\r\nn1 primary/s,
     'its writes wait for the promotion') for @writes;

update(primary => 'n2', standbys => [ qw/ n1 n3 n4 / ], epoch => 7);
@writes = map { send_write() } 1 .. 2;
wait_for { waiting() == 2 } 3, 'two waiting writes';
$t->redis()->command('HSET', $t->key('override'), 0, 'pin n3');
like(answer($_), qr/^HTTP\/1.1 200.*\r\n\r\nn3 standby/s,
     'or for an operator') for @writes;

$t->finish();
done_testing();
