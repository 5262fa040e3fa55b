import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;

/** What is left of each article: GET reads it, POST takes one. */
public class Stock {
    private static final int AT_FIRST = 1_000_000;
    private static final Map<String, Integer> LEFT = new ConcurrentHashMap<>();

    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8402"));
        HttpServer server = HttpServer.create(new InetSocketAddress("0.0.0.0", port), 0);
        server.createContext("/stock/", exchange -> {
            String article = exchange.getRequestURI().getPath().substring("/stock/".length());
            int taken = exchange.getRequestMethod().equals("POST") ? 1 : 0;
            int left = LEFT.merge(article, AT_FIRST - taken, (before, unused) -> before - taken);
            byte[] body = ("{\"left\": " + left + "}").getBytes();
            exchange.getResponseHeaders().add("content-type", "application/json");
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.start();
    }
}
