/* A gradient explained: a layer of the chapter, relu(W x + b), every step of its backward pass with its formula. */
#include <ebb/ebb.h>
#include <ebb/explain.h>

int main(void) {
    EBB_SCOPE {
        float w[] = {0.5F, -1, 2, 0.25F, 1, -0.5F}, x[] = {1, 2, 3};
        ebb_tensor *W = ebb_name(ebb_requires_grad_(ebb_from_data(w, EBB_F32, EBB_DIMS(2, 3)), true), "W");
        ebb_tensor *b = ebb_name(ebb_zeros(EBB_DIMS(2), .requires_grad = true), "b");
        ebb_tensor *input = ebb_name(ebb_from_data(x, EBB_F32, EBB_DIMS(3)), "x");

        ebb_explain_recording *recording = ebb_explain_begin();
        ebb_tensor *h = ebb_relu(ebb_add(ebb_matmul(W, input), b)); /* the report calls it h, as this line does */
        ebb_tensor *loss = ebb_mean(ebb_square(ebb_sub(h, 1.0)));
        ebb_status status = ebb_explain(loss, .recording = recording);
        ebb_explain_end(recording);
        if (status) return ebb_perror("explain");
    }
    return 0;
}
