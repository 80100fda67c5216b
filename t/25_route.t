#!/usr/bin/perl

# The module: routing by the table, variables, overrides, 421, reload, state.
# The nodes are servers of the same nginx that tell what they were sent.

use warnings;
use strict;

use Test::More;
use HTTP::Tiny;
use JSON::PP;
use POSIX ();

use ShardTest;

my $t = ShardTest->new(shards => 8, follow_seconds => 2);
my %port = map { $_ => free_port() } qw/ n1 n2 n3 /;

$t->{nodes}{$_} = { name => $_, addr => "127.0.0.1:$port{$_}", capacity => 100,
                    zone => $_ eq 'n3' ? 'z2' : 'z1' } for keys %port;

$t->start_redis();
$t->seed(nodes => [ 'n1', 'n2' ], silent => 1,
         record => { standbys => [ 'n3' ] });


# every node refuses an epoch that the file "epochs" maps to it

sub backends {
    my ($refuse) = @_;

    my $text = "map \$shard_test_node:\$http_x_shard_id:\$http_x_shard_epoch "
               . "\$refuse { default 0; $refuse }\n";

    for my $name (sort keys %port) {
        $text .= <<"CONF";
server {
    listen 127.0.0.1:$port{$name};
    set \$shard_test_node $name;

    location / {
        if (\$refuse) {
            return 421 "not me";
        }

        add_header X-Body-Size \$content_length;
        return 200 "$name \$http_x_shard_id \$http_x_shard_epoch \$http_x_shard_role \$request_method";
    }
}
CONF
    }

    return $text;
}

$t->start_nginx(http => backends(''));

wait_for { $t->get('/', 'X-Key' => 'a')->{status} == 200 } 5, 'a table';


# which shard a key is in, and what its node was told

sub sent {
    my ($key, $method, $content) = @_;

    my $answer = $t->request($method || 'GET', '/', $content,
                             'X-Key' => $key);
    my @words = split / /, $answer->{content};

    return { status => $answer->{status}, node => $words[0], id => $words[1],
             epoch => $words[2], role => $words[3], method => $words[4],
             headers => $answer->{headers} };
}


sub update { return $t->update_shard(@_) }


# routing

my %shards;

for my $n (1 .. 200) {
    my $got = sent("key$n");
    $shards{$got->{id}}{$got->{node}}++;
    push @{ $shards{$got->{id}}{keys} }, "key$n";
}

is(join(' ', sort keys %shards), '0 1 2 3 4 5 6 7', 'every shard has keys');
is(scalar(grep { ($shards{$_}{$_ % 2 ? 'n2' : 'n1'} || 0)
                 == @{ $shards{$_}{keys} } } keys %shards), 8,
   'every key of a shard goes to its primary');

my $key = $shards{0}{keys}[0];
my $got = sent($key);

is($got->{epoch}, 1, 'the epoch is sent');
is($got->{role}, 'primary', 'the role is sent');
is($got->{headers}{'x-shard-node'}, 'n1', '$shard_node');
is($got->{headers}{'x-shard-state'}, 'steady', '$shard_state');
is(sent($key, 'PUT', 'x' x 100000)->{headers}{'x-body-size'}, 100000,
   'a body goes through');


# a change

my $before = $t->version();
update(0, primary => 'n2', epoch => 2);
is($t->version(), $before + 1, 'one version for one change');
is_deeply([ @{ sent($key) }{qw/ node epoch /} ], [ 'n2', 2 ],
          'the new owner and epoch are used');
is($t->api('/shards/0')->{primary}, 'n2', 'the API tells');
is(scalar @{ $t->api('/shards?limit=3')->{shards} }, 3, 'pages of shards');
is($t->get('/shards/orders/shards?limit=0')->{status}, 400, 'a bad page');
is($t->get('/shards/nope')->{status}, 404, 'no such keyspace');
is($t->request('POST', '/shards/orders', '')->{status}, 405, 'reads only');
like($t->get('/metrics')->{content},
     qr/nginx_shard_table_version\{keyspace="orders"\} \d+/, 'metrics');


# shift: key-sticky, monotone, back in reverse order

sub crossed {
    return join ' ', grep { sent($_)->{node} eq 'n1' } @{ $shards{1}{keys} };
}

sub shift_to {
    update(1, phase => 'shifting', target => 'n1', strategy => 'stateless',
           migration => '00000000000000ab', shift => $_[0]);
}

my %at;

for my $bp (0, 2500, 5000, 7500, 10000) {
    shift_to($bp);
    $at{$bp} = { map { $_ => 1 } split / /, crossed() };
}

is(keys %{ $at{0} }, 0, 'nothing crosses at 0');
is(keys %{ $at{10000} }, @{ $shards{1}{keys} }, 'all cross at 10000');
ok(keys %{ $at{5000} } > 2 && keys %{ $at{5000} } < keys %{ $at{10000} },
   'some cross at 5000');

for my $pair ([ 2500, 5000 ], [ 5000, 7500 ], [ 7500, 10000 ]) {
    my ($less, $more) = @$pair;
    is(scalar(grep { !$at{$more}{$_} } keys %{ $at{$less} }), 0,
       "who crossed at $less has crossed at $more");
}

shift_to(2500);
is(crossed(), join(' ', grep { $at{2500}{$_} } @{ $shards{1}{keys} }),
   'a rollback leaves the same keys as the way up');
is(sent((keys %{ $at{2500} })[0])->{role}, 'target', 'the role is target');

update(1, phase => 'shifting', strategy => 'log-shipping', shift => 10000);
is(crossed(), '', 'strong log-shipping does not shift');

update(1, consistency => 'eventual');
is(scalar(split(/ /, crossed())), scalar @{ $shards{1}{keys} },
   'eventual reads do');
is(sent($shards{1}{keys}[0], 'PUT', 'x')->{node}, 'n2',
   'and writes stay with the primary');
update(1, phase => 'steady', target => undef, migration => undef,
       shift => undef, consistency => 'strong');


# overrides

sub override {
    my ($id, $verb, $check, $name) = @_;

    $t->redis()->command('HSET', $t->key('override'), $id, $verb);
    ok(eval { wait_for { $check->() } 1.5, $name; 1 }, $name);
}

override(2, 'pin n3', sub { sent($shards{2}{keys}[0])->{node} eq 'n3' },
         'pin, within 1.5 s');
is(sent($shards{2}{keys}[0])->{headers}{'x-shard-state'}, 'override',
   'the state is override');
$t->redis()->command('HDEL', $t->key('override'), 2);
ok(eval { wait_for { sent($shards{2}{keys}[0])->{node} eq 'n1' } 1.5, 'undo'; 1 },
   'undone by HDEL');

override(2, 'split n1=5000 n3=5000', sub {
    my %nodes = map { sent($_)->{node} => 1 } @{ $shards{2}{keys} };
    join(' ', sort keys %nodes) eq 'n1 n3' }, 'split over two nodes');

my %split = map { $_ => sent($_)->{node} } @{ $shards{2}{keys} };
is(scalar(grep { sent($_)->{node} ne $split{$_} } keys %split), 0,
   'split is key-sticky');

override(2, 'split n1=2000 n3=3000 n2=5000', sub {
    my %nodes = map { sent($_)->{node} => 1 } @{ $shards{2}{keys} };
    join(' ', sort keys %nodes) eq 'n1 n2 n3' }, 'split over three');

my %roles = map { @$_{qw/ node role /} } map { sent($_) } @{ $shards{2}{keys} };
is_deeply(\%roles, { n1 => 'primary', n2 => 'target', n3 => 'standby' },
          'each is asked in the role the table gives it');

override(2, 'pin n3', sub { sent($shards{2}{keys}[0])->{node} eq 'n3' },
         'pinned to the standby');
is(sent($shards{2}{keys}[0])->{role}, 'standby', 'it is asked as such');
$t->redis()->command('HDEL', $t->key('override'), 2);
wait_for { sent($shards{2}{keys}[0])->{node} eq 'n1' } 2, 'no verb';

sub state_of {
    my ($name, $state) = @_;

    my %node = (%{ $t->{nodes}{$name} }, state => $state);
    delete $node{name};
    $t->followed($t->committed('nodes', 'node', $name, encode_json(\%node)));
}

override(2, 'drain', sub {
    my $sent = sent($shards{2}{keys}[0]);
    $sent->{node} eq 'n3' && $sent->{role} eq 'standby' },
         'drain: the standby serves, as standby');

state_of('n3', 'down');
is_deeply([ @{ sent($shards{2}{keys}[0], 'PUT', 'x') }{qw/ node role /} ],
          [ 'n1', 'primary' ], 'drain: a standby that is down serves nothing');
state_of('n3', 'up');
is(sent($shards{2}{keys}[0])->{node}, 'n3', 'and does again');

override(2, 'pinn n3', sub { sent($shards{2}{keys}[0])->{node} eq 'n1' },
         'a malformed verb is ignored');

like($t->router()->{ignored}{2}, qr/pinn.*pin/, 'and told with the nearest');
like($t->error_log(), qr/override of shard 2 ignored/, 'and logged');

override(2, 'pin n9', sub {
    $t->router()->{ignored}{2} =~ /no node "n9"/ }, 'an unknown node is ignored');

override(2, 'pin n3 until 2001-01-01T00:00Z', sub {
    !$t->router()->{ignored}{2} }, 'a past "until" is no verb any more');
is(sent($shards{2}{keys}[0])->{node}, 'n1', 'nor in force');

override(2, 'freeze', sub { !!$t->api('/shards/2') }, 'freeze is a verb');
is_deeply([ @{ sent($shards{2}{keys}[0]) }{qw/ node role /} ],
          [ 'n1', 'primary' ], 'that routes as before');

my $end = time() + 3;
my @end = gmtime($end);
my $until = sprintf '%04d-%02d-%02dT%02d:%02d:%02dZ', $end[5] + 1900,
                    $end[4] + 1, @end[3, 2, 1, 0];

override(2, "pin n3 until $until",
         sub { sent($shards{2}{keys}[0])->{node} eq 'n3' }, 'pin until');
ok(eval { wait_for { sent($shards{2}{keys}[0])->{node} eq 'n1' } 6, 'over'; 1 },
   'it ends by itself');
ok(time() >= $end, 'and not before its time');

# "hold" parks until the verb goes

override(2, 'hold', sub {
    # nginx answers nobody now: a short patience tells
    !HTTP::Tiny->new(timeout => 0.3)->get($t->url('/'),
        { headers => { 'X-Key' => $shards{2}{keys}[0] } })->{success} }, 'hold');
wait_for { $t->api('')->{waiting} == 0 } 3, 'the impatient have left';

my $held = fork();

if ($held == 0) {
    my $got = HTTP::Tiny->new(timeout => 8)->get($t->url('/'),
        { headers => { 'X-Key' => $shards{2}{keys}[0] } });
    POSIX::_exit($got->{content} =~ /^n1 2 / ? 0 : 1);
}

wait_for { $t->api('')->{waiting} == 1 } 3, 'a held request';
$t->redis()->command('HDEL', $t->key('override'), 2);
waitpid $held, 0;
is($?, 0, 'a held request goes on when the verb is gone');
# a running migration

update(2, phase => 'shifting', target => 'n2', strategy => 'stateless',
       migration => '00000000000000cd', shift => 10000);
override(2, 'pin n3', sub { sent($shards{2}{keys}[0])->{node} eq 'n3' },
         'a verb beats a shift');
is($t->api('/shards/2')->{target}, undef, 'and the API shows what is in force');
$t->redis()->command('HDEL', $t->key('override'), 2);
ok(eval { wait_for { sent($shards{2}{keys}[0])->{node} eq 'n2' } 1.5, 'shift'; 1 },
   'without it the shift is there again');
update(2, phase => 'steady', target => undef, migration => undef,
       shift => undef, strategy => 'log-shipping');

$t->redis()->command('DEL', $t->key('override'));


# bad changes, past the commit function, which would refuse them

sub force {
    my ($kind, $id, $json) = @_;

    my $r = $t->redis();
    my $version = $t->version() + 1;

    $r->command('XADD', $t->key('log'), "$version-0", 'by', 'test',
                "$kind:$id", $json);
    $r->command($json eq '' ? ('HDEL', $t->key($kind eq 'node' ? 'nodes' : 'table'), $id)
                            : ('HSET', $t->key($kind eq 'node' ? 'nodes' : 'table'), $id, $json));
    $r->command('HSET', $t->key('meta'), 'version', $version);
}


sub refused {
    my ($name, @change) = @_;

    my $was = $t->api('')->{rejected_updates};
    force(@change);
    ok(eval { wait_for { $t->api('')->{rejected_updates} > $was } 2, $name; 1 },
       "$name: refused");
    is(scalar(grep { sent($shards{$_}{keys}[0])->{status} != 200 } 0 .. 7), 0,
       "$name: the old table serves");
}

my $good = $t->redis()->command('HGET', $t->key('table'), 3);

refused('an unknown node', 'shard', 3,
        encode_json({ %{ $t->shard_record(3) }, primary => 'n7' }));
refused('a gap', 'shard', 3,
        encode_json({ %{ $t->shard_record(3) }, primary => 'n1',
                      hi => '6fffffffffffffff' }));
refused('a wrong type', 'shard', 3,
        encode_json({ %{ $t->shard_record(3) }, epoch => 'one' }));
refused('a node that is needed', 'node', 'n1', '');

force('node', 'n1', encode_json({ addr => "127.0.0.1:$port{n1}", zone => 'z1',
                                  capacity => 100, state => 'up' }));
force('shard', 3, $good);
update(3, primary => 'n1', epoch => 5);
is(sent($shards{3}{keys}[0])->{epoch}, 5, 'good again, and followed');


# a table made anew, with smaller versions

$t->redis()->command('DEL', map { $t->key($_) } qw/ meta table nodes log claims /);
wait_for { $t->error_log() =~ /gone from Redis/ } 3, 'the loss noticed';
is(sent($key)->{status}, 200, 'a lost table is served on');

$t->seed(nodes => [ 'n2' ], silent => 1);
ok(eval { wait_for { sent($key)->{node} eq 'n2' && $t->api('')->{version} == 1 }
              5, 'new'; 1 }, 'a new table is taken up');


# 421

$t->reload(http => backends('"n2:4:1" 1;'));
ok(eval { wait_for { sent($shards{4}{keys}[0])->{status} == 421 } 3, '421'; 1 },
   '421 is passed on when the owner is the same');

$t->commit('shard:5', 'shard', 5, encode_json({ %{ $t->shard_record(5) },
                                                primary => 'n1', epoch => 2 }));
$t->reload(http => backends('"n2:5:1" 1;'));

# a router with an old table: its leader's connection to Redis is slow

my $client = $t->redis();
update(6, epoch => 2, primary => 'n1');
$t->reload(http => backends('"n1:6:2" 1;'));
$client->command('CLIENT', 'PAUSE', 300, 'ALL');
my @late = map { $_ } ($shards{6}{keys}[0]);
$client->command('HGET', $t->key('meta'), 'version');

{
    my $pid = fork();

    if ($pid == 0) {
        my $r = ShardTest::Redis->new($t->redis_addr());
        $t->{redis} = $r;
        select undef, undef, undef, 0.2;
        $t->commit('shard:6', 'shard', 6,
                   encode_json({ %{ $t->shard_record(6) }, primary => 'n3',
                                 epoch => 3 }));
        POSIX::_exit(0);
    }

    my $sent;
    my $until = time() + 3;

    while (time() < $until) {
        $sent = sent($late[0], 'POST', 'body of it');
        last if ($sent->{node} || '') eq 'n3';
    }

    waitpid $pid, 0;
    is($sent->{node}, 'n3', 'a POST refused with 421 reaches the new owner');
    is($sent->{epoch}, 3, 'with its epoch');
    is($sent->{headers}{'x-body-size'}, 10, 'and its body');
}

like($t->get('/metrics')->{content},
     qr/nginx_shard_retried_total\{keyspace="orders"\} [1-9]/,
     'refused requests were sent again');


# Redis gone, restart from the state file

$t->process('redis')->stop();
is(sent($shards{6}{keys}[0])->{node}, 'n3', 'Redis gone: served');
$t->reload(http => backends(''));
is(sent($shards{6}{keys}[0])->{node}, 'n3', 'and after a reload');
$t->process('nginx')->stop();
$t->process('nginx')->start();
is(sent($shards{6}{keys}[0])->{node}, 'n3',
   'and after a restart, from the state file');

$t->process('nginx')->stop();
unlink "$t->{dir}/nginx/orders.shards";
$t->process('nginx')->start();
is($t->get('/', 'X-Key' => 'a')->{status}, 503, 'no table at all: 503');
like($t->error_log(), qr/has no table: none came from Redis/, 'and says why');

# the state file of nginx-shard 0.1

$t->process('nginx')->stop();
spew("$t->{dir}/nginx/orders.shards", <<'STATE');
nginx-shard-state 1 orders 7
node n1 {"addr":"127.0.0.1:9","zone":"z1","capacity":1,"state":"up"}
shard 0 {"lo":"0000000000000000","hi":"8000000000000000","primary":"n1","epoch":1}
shard 1 {"lo":"8000000000000000","hi":null,"primary":"n1","epoch":1}
sum 66e0589b479ffb34
STATE
$t->process('nginx')->start();
like($t->error_log(), qr/table of version 7 with 2 shards from/,
     'a state file of 0.1 is read');

$t->finish();
done_testing();
